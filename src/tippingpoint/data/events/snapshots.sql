payments AS (
  SELECT o.user_id, p.type, p.created, p.amount, GREATEST(c.since, o.since) AS since
  FROM (SELECT DISTINCT event_id, type, created, customer, amount FROM payment_events) AS p
  JOIN customers c ON c.customer = p.customer JOIN owners o ON o.id = c.user_id),
dates AS (SELECT CAST(day AS BIGINT) AS cut_off FROM (VALUES {dates}) AS listed(day)),
people AS MATERIALIZED (  -- users by number, which is grouped and joined faster; and since when one is another's id
  SELECT s.*, l.since AS joined, ROW_NUMBER() OVER (ORDER BY s.user_id COLLATE "C") AS person
  FROM signups s LEFT JOIN links l ON l.alias = s.user_id),
happened AS MATERIALIZED (  -- each event of a user, and since when it is known to be theirs
  SELECT q.person, e.event, e.insert_id, e.seconds, LEAST(e.time, e.received) AS moment,
    GREATEST(COALESCE(e.received, e.time), o.since) AS known
  FROM product_events e JOIN owners o ON o.id = e.distinct_id JOIN people q ON q.user_id = o.user_id
  WHERE e.event IN ({any_counted})),
delivered AS MATERIALIZED (
  SELECT person, event, insert_id, MIN(seconds) AS seconds, MIN(moment) AS moment, MIN(known) AS known,
    COUNT(*) AS times
  FROM happened GROUP BY person, event, insert_id),
once AS (  -- what came again counts as it was received first: what comes later changes nothing
  SELECT person, event, seconds, moment, known FROM delivered WHERE times = 1
  UNION ALL
  SELECT person, event, seconds, moment, known FROM (
    SELECT h.*, ROW_NUMBER() OVER (
      PARTITION BY h.person, h.event, h.insert_id ORDER BY h.known, h.moment, h.seconds) AS place
    FROM happened h JOIN delivered r ON r.times > 1
      AND r.person = h.person AND r.event = h.event AND r.insert_id = h.insert_id) AS again
  WHERE place = 1),
cells AS MATERIALIZED (  -- the one pass: a row a user, day of the event and day since which it is known; whole numbers as doubles
  SELECT person, moment - MOD(moment, 86400) AS day, known - MOD(known, 86400) AS known_day,
    {counts},
    CAST(COUNT(*) AS DOUBLE PRECISION) AS events, CAST(SUM(seconds) AS DOUBLE PRECISION) AS seconds,
    MAX(moment) AS last_moment,
    -- one cell of each day of a user, the one that is known before the others: as many as there are active days
    CAST(CASE WHEN known - MOD(known, 86400) = MIN(known - MOD(known, 86400)) OVER (
      PARTITION BY person, moment - MOD(moment, 86400)) THEN 1 ELSE 0 END AS DOUBLE PRECISION) AS active_days
  FROM once GROUP BY person, moment - MOD(moment, 86400), known - MOD(known, 86400)),
{windows},
dated AS (  -- a label may look past the date, a feature may not
  SELECT d.cut_off, q.person, p.type, p.created, p.amount,
    p.created < d.cut_off AND p.since < d.cut_off AS known,
    p.created >= d.cut_off AND p.created < d.cut_off + $horizon_seconds AS due
  FROM payments p JOIN people q ON q.user_id = p.user_id CROSS JOIN dates d),
money AS (
  SELECT cut_off, person,
    COUNT(*) FILTER (WHERE due AND type = $happened) AS labels,
    COUNT(*) FILTER (WHERE known AND type = 'customer.subscription.created') AS subscriptions,
    MAX(created) FILTER (WHERE known AND type = 'customer.subscription.created') AS began,
    MAX(created) FILTER (WHERE known AND type = 'customer.subscription.deleted') AS ended,
    COUNT(*) FILTER (WHERE known AND type = 'customer.created') AS customers,
    COUNT(*) FILTER (WHERE known AND type = 'invoice.paid') AS invoices_paid,
    COUNT(*) FILTER (WHERE known AND type = 'invoice.payment_failed') AS invoices_failed,
    SUM(amount) FILTER (WHERE known AND type = 'invoice.paid') AS cents_paid,
    SUM(amount) FILTER (WHERE known AND type = 'charge.refunded') AS cents_refunded,
    MAX(created) FILTER (WHERE known AND type = 'customer.subscription.paused') AS paused_at,
    MAX(created) FILTER (WHERE known AND type = 'customer.subscription.resumed') AS resumed_at
  FROM dated GROUP BY cut_off, person),
answer AS (
SELECT u.user_id, d.cut_off, CAST(NULL AS TEXT) AS variant,
  CASE WHEN COALESCE(m.labels, 0) > 0 THEN 1 ELSE 0 END AS outcome,
  {counted},
  {shares},
  {steady},
  CAST(d.cut_off - {widest}.last_moment AS DOUBLE PRECISION) / 3600 AS hours_since_last_event,
  CASE WHEN COALESCE(m.customers, 0) > 0 THEN 1 ELSE 0 END AS is_customer,
  CAST(d.cut_off - u.signed_up AS DOUBLE PRECISION) / 86400 AS days_since_sign_up,
  CAST(d.cut_off - m.began AS DOUBLE PRECISION) / 86400 AS days_since_subscribed,
  COALESCE(m.subscriptions, 0) AS subscriptions,
  COALESCE(m.invoices_paid, 0) AS invoices_paid,
  COALESCE(m.invoices_failed, 0) AS invoices_failed,
  CAST(COALESCE(m.cents_paid, 0) AS BIGINT) AS cents_paid,
  CAST(COALESCE(m.cents_refunded, 0) AS BIGINT) AS cents_refunded,
  CASE WHEN m.paused_at > COALESCE(m.resumed_at, 0) THEN 1 ELSE 0 END AS paused,
  u.platform, u.country,
  (SELECT CAST(SUM(times - 1) AS BIGINT) FROM delivered) AS repeats
FROM dates d JOIN people u ON u.since < d.cut_off AND (u.joined IS NULL OR u.joined >= d.cut_off)
{windowed}
LEFT JOIN money m ON m.person = u.person AND m.cut_off = d.cut_off
WHERE {at_risk})
