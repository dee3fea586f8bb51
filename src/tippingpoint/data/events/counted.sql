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
SELECT * FROM quality LEFT JOIN answer ON TRUE ORDER BY user_id COLLATE "C", cut_off
