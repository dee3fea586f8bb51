payments AS (
  SELECT o.user_id, p.type, p.created
  FROM (SELECT DISTINCT event_id, type, created, customer FROM payment_events) AS p
  JOIN customers c ON c.customer = p.customer JOIN owners o ON o.id = c.user_id),
came AS (
  SELECT o.user_id, LEAST(e.time, e.received) AS moment
  FROM product_events e JOIN owners o ON o.id = e.distinct_id
  WHERE e.event = $event AND COALESCE(e.received, e.time) < $until
  UNION ALL
  SELECT user_id, created FROM payments WHERE type = $event AND created < $until)
SELECT DISTINCT user_id, moment FROM came
