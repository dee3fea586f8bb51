links AS MATERIALIZED (  -- the first user an id was joined to, and since when that is known
  SELECT alias, user_id, since FROM (
    SELECT alias, distinct_id AS user_id, COALESCE(received, time) AS since,
      ROW_NUMBER() OVER (PARTITION BY alias ORDER BY COALESCE(received, time), distinct_id COLLATE "C") AS place
    FROM product_events WHERE alias IS NOT NULL AND alias <> distinct_id) AS joined
  WHERE place = 1),
signups AS MATERIALIZED (  -- since when a user is known, and as the event has it that was received first: what comes later changes nothing
  SELECT distinct_id AS user_id, MIN(COALESCE(received, time)) AS since,
    (ARRAY_AGG(LEAST(time, received) ORDER BY COALESCE(received, time), LEAST(time, received)))[1] AS signed_up,
    (ARRAY_AGG(platform ORDER BY COALESCE(received, time), platform COLLATE "C"))[1] AS platform,
    (ARRAY_AGG(country ORDER BY COALESCE(received, time), country COLLATE "C"))[1] AS country
  FROM product_events WHERE event = $sign_up GROUP BY distinct_id),
owners AS MATERIALIZED (  -- whose an id is, and since when that is known; chains of up to three joins
  SELECT user_id AS id, user_id, CAST(0 AS BIGINT) AS since FROM signups
  UNION ALL
  SELECT l.alias, l.user_id, l.since FROM links l JOIN signups s ON s.user_id = l.user_id
  UNION ALL
  SELECT l.alias, m.user_id, GREATEST(l.since, m.since)
  FROM links l JOIN links m ON m.alias = l.user_id JOIN signups s ON s.user_id = m.user_id
  UNION ALL
  SELECT l.alias, n.user_id, GREATEST(l.since, m.since, n.since)
  FROM links l JOIN links m ON m.alias = l.user_id JOIN links n ON n.alias = m.user_id
    JOIN signups s ON s.user_id = n.user_id),
customers AS (  -- the first user a customer was linked to
  SELECT customer, user_id, since FROM (
    SELECT customer, user_id, created AS since,
      ROW_NUMBER() OVER (PARTITION BY customer ORDER BY created, user_id COLLATE "C") AS place
    FROM payment_events WHERE customer IS NOT NULL AND user_id IS NOT NULL) AS linked
  WHERE place = 1)
