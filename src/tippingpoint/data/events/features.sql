payments AS (
  SELECT o.user_id, p.type, p.created, p.amount, GREATEST(c.since, o.since) AS since
  FROM (SELECT DISTINCT event_id, type, created, customer, amount FROM payment_events) AS p
  JOIN customers c ON c.customer = p.customer JOIN owners o ON o.id = c.user_id),
anchors AS ({anchors}),
cohort AS (  -- who is known as a user of their own at the cut-off, of those who are asked about
  SELECT a.user_id, a.anchor, a.anchor + $window_seconds AS cut_off,
    a.anchor + $window_seconds + $horizon_seconds AS ends
  FROM anchors a JOIN signups u ON u.user_id = a.user_id LEFT JOIN links l ON l.alias = a.user_id
  WHERE {asked}
    AND u.since < a.anchor + $window_seconds
    AND (l.since IS NULL OR l.since >= a.anchor + $window_seconds)),
scope AS (
  SELECT o.id, c.user_id, c.anchor, c.cut_off
  FROM cohort c JOIN owners o ON o.user_id = c.user_id WHERE o.since < c.cut_off),
seen AS (  -- each event of the window that was received in time, once, at its second since the clock started
  SELECT s.user_id, e.event, MIN(LEAST(e.time, e.received) - s.anchor) AS moment, MAX(e.seconds) AS seconds,
    COUNT(*) - 1 AS repeats
  FROM product_events e JOIN scope s ON s.id = e.distinct_id
  WHERE LEAST(e.time, e.received) >= s.anchor AND COALESCE(e.received, e.time) < s.cut_off
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
WHERE COALESCE(m.already, 0) = 0{still})
