"""The SQL that features are made with.

Written once, in what DuckDB and PostgreSQL have in common: times are whole epoch seconds, money whole cents,
a ratio is one division of doubles, text is ordered by bytes. So both give the same numbers to the last digit.
A layer that writes SQL (Ibis) would add a dependency, and its own time on each call, to bridge two dialects
that here are one.
"""

# LEAST(time, received) is when an event happened: a clock that runs ahead is set back to when the event was
# received. (One that runs behind cannot be told from an event that came late.)
OWNERS = """
links AS (  -- the first user an id was joined to, and since when
  SELECT alias, user_id, since FROM (
    SELECT alias, distinct_id AS user_id, LEAST(time, received) AS since,
      ROW_NUMBER() OVER (PARTITION BY alias ORDER BY LEAST(time, received), distinct_id COLLATE "C") AS place
    FROM product_events WHERE alias IS NOT NULL AND alias <> distinct_id) AS joined
  WHERE place = 1),
signups AS (
  SELECT distinct_id AS user_id, MIN(LEAST(time, received)) AS signed_up,
    MIN(platform COLLATE "C") AS platform, MIN(country COLLATE "C") AS country
  FROM product_events WHERE event = $sign_up GROUP BY distinct_id),
owners AS (  -- whose an id is, and since when that is known; chains of up to three joins
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
  WHERE place = 1)"""

SIGNED_UP = "SELECT user_id, signed_up AS anchor FROM signups"
SUBSCRIBED = """SELECT user_id, MIN(created) AS anchor FROM payments
  WHERE type = 'customer.subscription.created' AND since <= created GROUP BY user_id"""
LAST_EVENT = """(SELECT GREATEST(MAX(LEAST(time, received)),
    (SELECT MAX(created) FROM payment_events)) FROM product_events)"""
EXPOSURES = """
exposures AS (  -- what was done at the cut-off, or within a day of it
  SELECT user_id, variant FROM (
    SELECT s.user_id, e.variant, ROW_NUMBER() OVER (
      PARTITION BY s.user_id ORDER BY LEAST(e.time, e.received), e.variant COLLATE "C") AS place
    FROM product_events e JOIN scope s ON s.id = e.distinct_id
    WHERE e.event = $exposure
      AND LEAST(e.time, e.received) >= s.cut_off AND LEAST(e.time, e.received) < s.cut_off + 86400) AS given
  WHERE place = 1),"""

SQL = (
    "WITH"
    + OWNERS
    + """,
payments AS (
  SELECT o.user_id, p.type, p.created, p.amount, GREATEST(c.since, o.since) AS since
  FROM (SELECT DISTINCT event_id, type, created, customer, amount FROM payment_events) AS p
  JOIN customers c ON c.customer = p.customer JOIN owners o ON o.id = c.user_id),
anchors AS ({anchors}),
cohort AS (  -- who is a user of their own at the cut-off, and whose horizon is over
  SELECT a.user_id, a.anchor, a.anchor + $window_seconds AS cut_off,
    a.anchor + $window_seconds + $horizon_seconds AS ends
  FROM anchors a LEFT JOIN links l ON l.alias = a.user_id
  WHERE a.anchor + $window_seconds + $horizon_seconds <= {until}
    AND (l.since IS NULL OR l.since >= a.anchor + $window_seconds)),
scope AS (
  SELECT o.id, c.user_id, c.anchor, c.cut_off
  FROM cohort c JOIN owners o ON o.user_id = c.user_id WHERE o.since < c.cut_off),
seen AS (  -- each event of the window once, at its second since the clock started
  SELECT s.user_id, e.event, MIN(LEAST(e.time, e.received) - s.anchor) AS moment, MAX(e.seconds) AS seconds,
    COUNT(*) - 1 AS repeats
  FROM product_events e JOIN scope s ON s.id = e.distinct_id
  WHERE LEAST(e.time, e.received) >= s.anchor AND LEAST(e.time, e.received) < s.cut_off
    AND e.event IN ({any_counted})
  GROUP BY s.user_id, e.event, e.insert_id),
behaviour AS (
  SELECT user_id,
    {counts},
    COUNT(DISTINCT moment - MOD(moment, 86400)) AS active_days,
    SUM(seconds) AS seconds,
    SUM(repeats) AS repeats,
    MAX(moment) AS last_moment,
    COUNT(*) AS happened,
    COUNT(*) FILTER (WHERE moment >= $half_seconds) AS happened_late
  FROM seen GROUP BY user_id),
dated AS (  -- a label may look past the cut-off, a feature may not
  SELECT c.user_id, p.type, p.created, p.amount,
    p.created < c.cut_off AND p.since < c.cut_off AS known,
    p.created >= c.cut_off AND p.created < c.ends AS due
  FROM payments p JOIN cohort c ON c.user_id = p.user_id),
money AS (
  SELECT user_id,
    COUNT(*) FILTER (WHERE due AND type = $happened) AS labels,
    COUNT(*) FILTER (WHERE known AND type = $happened) AS already,
    COUNT(*) FILTER (WHERE known AND type = 'customer.created') AS customers,
    COUNT(*) FILTER (WHERE known AND type = 'invoice.paid') AS invoices_paid,
    COUNT(*) FILTER (WHERE known AND type = 'invoice.payment_failed') AS invoices_failed,
    SUM(amount) FILTER (WHERE known AND type = 'invoice.paid') AS cents_paid,
    SUM(amount) FILTER (WHERE known AND type = 'charge.refunded') AS cents_refunded,
    MAX(created) FILTER (WHERE known AND type = 'customer.subscription.paused') AS paused_at,
    MAX(created) FILTER (WHERE known AND type = 'customer.subscription.resumed') AS resumed_at
  FROM dated GROUP BY user_id),{exposures}
answer AS (
SELECT c.user_id, c.cut_off, {variant} AS variant,
  CASE WHEN COALESCE(m.labels, 0) > 0 THEN 1 ELSE 0 END AS outcome,
  {counted},
  {ratios},
  COALESCE(b.active_days, 0) AS active_days,
  CAST(COALESCE(b.seconds, 0) AS DOUBLE PRECISION) / 3600 AS playback_hours,
  CAST($window_seconds - COALESCE(b.last_moment, 0) AS DOUBLE PRECISION) / 3600 AS hours_since_last_event,
  CAST(2 * b.happened_late - b.happened AS DOUBLE PRECISION) / b.happened AS trend,
  CASE WHEN COALESCE(m.customers, 0) > 0 THEN 1 ELSE 0 END AS is_customer,
  CAST(c.cut_off - u.signed_up AS DOUBLE PRECISION) / 86400 AS days_since_sign_up,
  COALESCE(m.invoices_paid, 0) AS invoices_paid,
  COALESCE(m.invoices_failed, 0) AS invoices_failed,
  CAST(COALESCE(m.cents_paid, 0) AS BIGINT) AS cents_paid,
  CAST(COALESCE(m.cents_refunded, 0) AS BIGINT) AS cents_refunded,
  CASE WHEN m.paused_at > COALESCE(m.resumed_at, 0) THEN 1 ELSE 0 END AS paused,
  u.platform, u.country,
  CAST(COALESCE(b.repeats, 0) AS BIGINT) AS repeats
FROM cohort c
JOIN signups u ON u.user_id = c.user_id
LEFT JOIN behaviour b ON b.user_id = c.user_id
LEFT JOIN money m ON m.user_id = c.user_id
{exposed}
WHERE COALESCE(m.already, 0) = 0)"""
)

ANSWER = """
SELECT * FROM answer ORDER BY user_id COLLATE "C"
"""

# Counted in the same statement, for whose an id is is half of the work. Names with _ in front: no feature has one.
COUNTED = """,
ids AS (SELECT DISTINCT id FROM owners),
product AS (
  SELECT COUNT(*) AS product_events, COUNT(*) FILTER (WHERE i.id IS NULL) AS product_orphans,
    COUNT(*) FILTER (WHERE e.received - e.time > 3600) AS late,
    COUNT(*) FILTER (WHERE e.time > e.received) AS ahead
  FROM product_events e LEFT JOIN ids i ON i.id = e.distinct_id),
payment AS (
  SELECT COUNT(*) AS payment_events, COUNT(*) FILTER (WHERE i.id IS NULL) AS payment_orphans,
    COUNT(*) - COUNT(DISTINCT p.event_id) AS payment_duplicates
  FROM payment_events p LEFT JOIN customers c ON c.customer = p.customer LEFT JOIN ids i ON i.id = c.user_id),
quality AS (
  SELECT product_events AS _product_events, product_orphans AS _product_orphans, late AS _late, ahead AS _ahead,
    (SELECT COUNT(*) FROM links) AS _joined_ids,
    payment_events AS _payment_events, payment_duplicates AS _payment_duplicates,
    payment_orphans AS _payment_orphans
  FROM product, payment)
SELECT * FROM quality LEFT JOIN answer ON TRUE ORDER BY user_id COLLATE "C"
"""
