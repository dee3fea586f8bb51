"""Generated users whose truth is known: what each would do under each action. One file and one YAML each.

`case_study` and `streamzone` draw free users, `retention` subscribers, `criteo_like` users of an advertiser;
`event_log` draws raw events, with `event_log_lives` (what people do) and `event_log_records` (what Mixpanel and Stripe
hold of it). `world` is what all of them share.
"""
