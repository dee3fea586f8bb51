"""`tippingpoint daily`: what calls several verbs in a row, once a day, on raw events.

`job` goes through the days, `steps` are the plain functions it calls, in their order; `page` is the run of a day, which
says what is done, so that nothing is done twice. Verbs know nothing of it.
"""
