-- Clearing: what the processor says of its balance transactions, against the transfers that carry them: I13.

-- I13 stripe_transaction
-- Transactions of one event that are carried by the same transfers are reckoned together. Money moves at the processor
-- later than the report of it: transfers that no transaction carries yet are as they should be.
SELECT account_id, concat_ws('/', account_id, x.transaction_id) AS key, 0 AS place,
    format('as %s by %s it is %s micros %s, but the transfers that carry it sum to %s', x.event, x.booked_as, x.amount,
        x.currency, coalesce(t.amount, 0)) AS problem
FROM (SELECT account_id, {carried_as} AS event, booked_as, currency, min(transaction_id) AS transaction_id,
            sum(amount_micros) AS amount
      FROM {stripe_transaction} s GROUP BY 1, 2, 3, 4) x
LEFT JOIN (SELECT t.account_id, c.event, t.external_id AS booked_as, t.asset AS currency, sum({into_clearing}) AS amount
           FROM {transfer} t JOIN (VALUES {carried}) c(event, kind) ON c.kind = t.kind
           WHERE t.book = 'money' GROUP BY t.account_id, c.event, t.external_id, t.asset) t
    USING (account_id, event, booked_as, currency)
WHERE x.amount <> coalesce(t.amount, 0)

-- I13 stripe_transaction
SELECT account_id, concat_ws('/', account_id, transaction_id) AS key, 0 AS place,
    format('its fee is %s micros %s, but its transfers make it %s', s.fee_micros, s.currency, coalesce(t.fee, 0)) AS problem
FROM {stripe_transaction} s
LEFT JOIN (SELECT t.account_id, t.external_id AS transaction_id, t.asset AS currency, -sum({into_clearing}) AS fee
           FROM {transfer} t WHERE t.book = 'money' AND t.kind IN ('fee', 'fee_returned')
           GROUP BY t.account_id, t.external_id, t.asset) t USING (account_id, transaction_id, currency)
WHERE s.fee_micros <> coalesce(t.fee, 0)

-- I13 transfer
SELECT t.account_id, concat_ws('/', t.account_id, t.book, t.seq) AS key, t.seq AS place,
    format('it is a %s of %s micros %s by %s, but no such transaction is booked', t.kind, t.amount, t.asset,
        coalesce(t.external_id, 'nothing')) AS problem
FROM {transfer} t
LEFT JOIN {stripe_transaction} s
    ON s.account_id = t.account_id AND s.transaction_id = t.external_id AND s.currency = t.asset
WHERE t.kind IN ('fee', 'fee_returned') AND s.transaction_id IS NULL

-- I13 transfer
SELECT t.account_id, concat_ws('/', t.account_id, t.book, t.seq) AS key, t.seq AS place,
    format('it is a %s of %s micros %s by %s, but %s', t.kind, t.amount, t.asset, coalesce(t.external_id, 'nothing'),
        CASE t.account_id WHEN '_house' THEN 'no such transaction is booked' ELSE 'such belong to the house' END) AS problem
FROM {transfer} t
LEFT JOIN (SELECT DISTINCT s.account_id, c.kind, s.booked_as, s.currency
           FROM {stripe_transaction} s JOIN (VALUES {carried}) c(event, kind) ON c.event = {carried_as}) s
    ON s.account_id = t.account_id AND s.kind = t.kind AND s.booked_as = t.external_id AND s.currency = t.asset
WHERE t.kind IN ({of_the_house}) AND (s.booked_as IS NULL OR t.account_id <> '_house')

-- I13 payout_item
SELECT s.account_id, concat_ws('/', i.payout_id, i.transaction_id) AS key, 0 AS place,
    format('its net is %s micros %s, but as %s it is booked with %s micros %s', i.amount_micros::numeric - i.fee_micros,
        i.currency, s.event, s.amount_micros::numeric - s.fee_micros, s.currency) AS problem
FROM {payout_item} i JOIN {stripe_transaction} s ON s.transaction_id = i.transaction_id
WHERE i.amount_micros::numeric - i.fee_micros <> s.amount_micros::numeric - s.fee_micros OR i.currency <> s.currency

-- I13 stripe_transaction
SELECT min(account_id) AS account_id, concat_ws('/', min(account_id), transaction_id) AS key, 0 AS place,
    format('it is booked %s times, the last time for %s', count(*), max(account_id)) AS problem
FROM {stripe_transaction} s GROUP BY transaction_id HAVING count(*) > 1

-- I13 payout_item of all
SELECT '_house' AS account_id, concat_ws('/', i.payout_id, i.transaction_id) AS key, 0 AS place,
    format('a %s of %s micros %s was paid out, but is not booked', i.type, i.amount_micros::numeric - i.fee_micros, i.currency)
    AS problem
FROM {payout_item} i LEFT JOIN {stripe_transaction} s ON s.transaction_id = i.transaction_id
WHERE s.transaction_id IS NULL

-- I13 payout_item of all
SELECT '_house' AS account_id, concat_ws('/', max(payout_id), transaction_id) AS key, 0 AS place,
    format('it was paid out by %s already', min(payout_id)) AS problem
FROM {payout_item} i GROUP BY transaction_id HAVING count(*) > 1

-- I13 payout_item of all
SELECT '_house' AS account_id, concat_ws('/', payout_id, min(transaction_id)) AS key, 0 AS place,
    format('the %s items of its payout come to %s micros %s, the payout itself included', count(*),
        sum(amount_micros::numeric - fee_micros), currency) AS problem
FROM {payout_item} i GROUP BY payout_id, currency HAVING sum(amount_micros::numeric - fee_micros) <> 0
