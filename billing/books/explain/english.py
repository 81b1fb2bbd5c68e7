"""English."""

from collections.abc import Mapping
from typing import Final

from billing.books.explain.step import Phrase, StepKind

TITLES: Final[Mapping[StepKind, str]] = {
    "asked": "Request",
    "read": "How it was read",
    "quoted": "Quote",
    "authorized": "Authorization",
    "open": "In flight",
    "voided": "Voided",
    "expired": "Expired",
    "output": "Output",
    "billed": "Bill",
    "transfer": "Journal row",
    "balance": "Balance",
    "debt_paid": "Debt paid",
    "debt": "Debt",
    "refund": "Refund",
    "returned": "Returned",
    "correction": "Correction",
    "corrected": "Output, corrected",
    "supplement": "Journal row",
    "net": "In all",
}
PHRASES: Final[Mapping[Phrase, str]] = {
    "asked": "Asked for {n:images} from {model}: size {size}, quality {quality}, {operation:word}, {mode:word}.",
    "price_asked": "The request insisted on price version {asked_price_version}.",
    "quality_as_asked": "Quality {quality} is billed as asked.",
    "quality_read": "Quality {quality} is billed as {billed_quality}.",
    "size_auto": "Size auto is quoted in tier {quoted_tier}.",
    "size_tier": "Size {size} is itself a tier.",
    "size_pixels": "Size {size} has a long edge of {long_edge:px}.",
    "tier_lowest": "Tier {size_tier} goes up to {tier_max_edge:px}: {distance_to_edge:px} below its limit.",
    "tier_between": "Tier {size_tier} goes up to {tier_max_edge:px}: {distance_to_edge:px} below its limit, "
    "{distance_from_tier_before:px} above tier {tier_before} (up to {tier_before_max_edge:px}).",
    "tier_passed": "That is {past_last_edge:px} past the last tier, {size_tier} (up to {tier_max_edge:px}), "
    "whose price applies.",
    "quoted": "{credits_per_image:credits} for each image × {n:number} = {credits:credits}, "
    "by price version {price_version}.",
    "flat": "The price is the same in every size tier.",
    "at_most": "Larger images are billed as delivered: {max_credits:credits} at most.",
    "at_most_the_quote": "Larger images are not billed above the quote.",
    "authorized": "Authorized on {authorized_at:time} with {available_credits:credits} available.",
    "credit_limit": "That includes a credit limit of {credit_limit:credits}.",
    "one_step": "Charged in one step, without a hold.",
    "held_quote": "The quote, {held_credits:credits}, was held until {expires_at:time} at the latest, "
    "leaving {available_after_credits:credits} available.",
    "held_most": "The most it can come to, {held_credits:credits}, was held until {expires_at:time} at the latest, "
    "leaving {available_after_credits:credits} available.",
    "open": "Nothing is billed yet: the hold ends when the charge is settled or voided, "
    "on {expires_at:time} at the latest.",
    "voided": "Voided on {resolved_at:time}: the hold of {held_credits:credits} was released and nothing is billed.",
    "voided_after_expiry": "Voided on {resolved_at:time}, after its hold of {held_credits:credits} had ended "
    "on {released_at:time}: nothing is billed.",
    "void_reason": "Reason given for voiding it: {reason:quoted}.",
    "expired": "The hold of {held_credits:credits} ended on {released_at:time} without a settlement: "
    "nothing is billed.",
    "settle_until": "It can be settled late until {settle_until:time}.",
    "failed_for": "Output {index} failed: {reason:quoted}. Not charged.",
    "failed": "Output {index} failed, with no reason given. Not charged.",
    "failed_unreported": "Output {index} was not reported, which counts as failed. Not charged.",
    "measured": "Output {index} measures {width}×{height}: its long edge is {long_edge:px}.",
    "unmeasured": "Output {index} came back but was not measured: the quoted tier, {size_tier}, applies.",
    "price": "Price in {size_tier} at quality {billed_quality}, version {price_version}: {tier_credits:credits}.",
    "capped": "Capped at the quoted {quoted_credits_per_image:credits}.",
    "unrequested": "It goes beyond what was asked for ({n:images}). Not charged.",
    "settled_one": "Settled on {resolved_at:time}: {credits:credits}.",
    "settled_sum": "Settled on {resolved_at:time}: {parts:sum} = {credits:credits}.",
    "as_quoted": "That is what was quoted.",
    "less_than_quoted": "That is {difference:credits} less than quoted.",
    "more_than_quoted": "That is {difference:credits} more than quoted.",
    "late": "Settled late: its hold had ended on {released_at:time}.",
    "forced": "Settled by force: its hold had ended on {released_at:time}, but the images were delivered.",
    "overdrawn": "Overdrawn: it is more than was available, and billed because the images were delivered.",
    "drawn_expiring": "Journal row {seq}: {credits:credits} from grant {grant_id} "
    "({kind:word}, priority {priority}, expires on {expires_at:time}).",
    "drawn_lasting": "Journal row {seq}: {credits:credits} from grant {grant_id} "
    "({kind:word}, priority {priority}, never expires).",
    "kept_for_hold": "It had expired by then, but these credits were kept for this hold.",
    "before_by_priority": "It comes before {next_grant_id}: its priority number, {priority}, "
    "is lower than {next_priority}.",
    "before_by_expiry": "It comes before {next_grant_id}: same priority, and it expires earlier.",
    "before_by_age": "It comes before {next_grant_id}: same priority and expiry, and it is older.",
    "covers_all": "It covers the whole bill: it was first in order "
    "(lowest priority number, then earliest expiry, then oldest).",
    "covers_difference": "It covers the whole difference: it was first in order.",
    "nothing_moves": "Journal row {seq}: nothing moves, {credits:credits}.",
    "covers_rest": "It covers the rest.",
    "exhausted": "No other grant had credits left to draw on.",
    "owed": "Journal row {seq}: {credits:credits} that no grant covered, owed by the account.",
    "nothing_due": "Journal row {seq}: a bill of {credits:credits}.",
    "balance": "Posted balance: {posted_before:number} → {posted_after:credits}.",
    "debt_paid": "On {paid_at:time}, grant {grant_id} ({kind:word}) paid {credits:credits} "
    "of the debt of row {seq} (journal row {paid_by_seq}).",
    "debt_paid_by_refund": "On {paid_at:time}, through refund {refund_id} of another charge, grant {grant_id} "
    "({kind:word}) paid {credits:credits} of the debt of row {seq} (journal row {paid_by_seq}).",
    "debt_paid_by_correction": "On {paid_at:time}, through a correction of charge {paid_by_request_id}, grant "
    "{grant_id} ({kind:word}) paid {credits:credits} of the debt of row {seq} (journal row {paid_by_seq}).",
    "debt_left": "Left to pay: {outstanding_credits:credits}.",
    "debt_cleared": "Nothing of it is owed any more.",
    "still_owed": "Still owed: {credits:credits} of the debt of row {seq}.",
    "refund": "Refund {refund_id} on {created_at:time}: {credits:credits}. Reason given: {reason:quoted}.",
    "returned_to_grant": "Journal row {seq}: {credits:credits} back to grant {to_grant_id}.",
    "returned_to_successor": "Journal row {seq}: {credits:credits} of grant {from_grant_id}, which had ended, "
    "to the new grant {to_grant_id}, which expires on {to_expires_at:time}.",
    "returned_to_debts": "Journal row {seq}: {credits:credits} of grant {from_grant_id}, to pay what the account owed.",
    "returned_as_less_debt": "Journal row {seq}: {credits:credits} less debt, which no grant had paid.",
    "correction_up": "Correction {correction_id} on {created_at:time}: {credits:credits} more, "
    "by what was really delivered. Reason given: {reason:quoted}.",
    "correction_down": "Correction {correction_id} on {created_at:time}: {credits:credits} less, "
    "by what was really delivered. Reason given: {reason:quoted}.",
    "correction_even": "Correction {correction_id} on {created_at:time}: the same in all, "
    "by what was really delivered. Reason given: {reason:quoted}.",
    "not_delivered": "Output {index} was not delivered.",
    "costs_since": "It cost {credits_before:credits} and costs {credits_after:number} since.",
    "net": "{billed_credits:number} billed − {refunded_credits:number} refunded = {credits:credits}.",
    "net_raised": "{billed_credits:number} billed + {difference:number} by corrections = {credits:credits}.",
    "net_lowered": "{billed_credits:number} billed − {difference:number} by corrections = {credits:credits}.",
    "net_raised_and_refunded": "{billed_credits:number} billed + {difference:number} by corrections "
    "− {refunded_credits:number} refunded = {credits:credits}.",
    "net_lowered_and_refunded": "{billed_credits:number} billed − {difference:number} by corrections "
    "− {refunded_credits:number} refunded = {credits:credits}.",
}
