exposures AS (  -- what was done at the cut-off, or within a day of it
  SELECT user_id, variant FROM (
    SELECT s.user_id, e.variant, ROW_NUMBER() OVER (
      PARTITION BY s.user_id ORDER BY LEAST(e.time, e.received), e.variant COLLATE "C") AS place
    FROM product_events e JOIN scope s ON s.id = e.distinct_id
    WHERE e.event = $exposure
      AND LEAST(e.time, e.received) >= s.cut_off AND LEAST(e.time, e.received) < s.cut_off + 86400) AS given
  WHERE place = 1),
