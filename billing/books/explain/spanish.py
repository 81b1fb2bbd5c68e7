"""Spanish, in the words of the table in `billing/books/explain/README.md`."""

from collections.abc import Mapping
from typing import Final

from billing.books.explain.step import Phrase, StepKind

TITLES: Final[Mapping[StepKind, str]] = {
    "asked": "Solicitud",
    "read": "Interpretación",
    "quoted": "Importe previsto",
    "authorized": "Autorización",
    "open": "En curso",
    "voided": "Anulado",
    "expired": "Vencido",
    "output": "Imagen",
    "billed": "Importe",
    "transfer": "Asiento",
    "balance": "Saldo",
    "debt_paid": "Pago de deuda",
    "debt": "Deuda",
    "refund": "Reembolso",
    "returned": "Reintegro",
    "correction": "Corrección",
    "corrected": "Imagen corregida",
    "supplement": "Asiento",
    "net": "Total",
}
PHRASES: Final[Mapping[Phrase, str]] = {
    "asked": "Solicitud de {n:images} con el modelo {model}: tamaño {size}, calidad {quality}, {operation:word}, "
    "modo {mode:word}.",
    "price_asked": "La solicitud exigía la versión {asked_price_version} de la tarifa.",
    "quality_as_asked": "La calidad {quality} se cobra tal cual.",
    "quality_read": "La calidad {quality} se cobra como {billed_quality}.",
    "size_auto": "Con tamaño auto, el importe previsto es el del tramo {quoted_tier}.",
    "size_tier": "El tamaño {size} es directamente un tramo.",
    "size_pixels": "El tamaño {size} tiene un lado largo de {long_edge:px}.",
    "tier_lowest": "El tramo {size_tier} llega hasta {tier_max_edge:px}: "
    "{distance_to_edge:px} por debajo de su límite.",
    "tier_between": "El tramo {size_tier} llega hasta {tier_max_edge:px}: {distance_to_edge:px} por debajo de su "
    "límite y {distance_from_tier_before:px} por encima del tramo {tier_before} (hasta {tier_before_max_edge:px}).",
    "tier_passed": "Supera en {past_last_edge:px} el último tramo, {size_tier} (hasta {tier_max_edge:px}), "
    "cuyo precio se aplica.",
    "quoted": "{credits_per_image:credits} por imagen × {n:number} = {credits:credits}, "
    "según la versión {price_version} de la tarifa.",
    "flat": "El precio es el mismo en todos los tramos de tamaño.",
    "at_most": "Las imágenes más grandes se cobran según lo entregado: {max_credits:credits} como máximo.",
    "at_most_the_quote": "Las imágenes más grandes no se cobran por encima de lo previsto.",
    "authorized": "Autorizado el {authorized_at:time}, con un saldo disponible de {available_credits:credits}.",
    "credit_limit": "Ese saldo incluye un límite de crédito de {credit_limit:credits}.",
    "one_step": "Cargo en un solo paso, sin retención.",
    "held_quote": "Se retuvo el importe previsto, {held_credits:credits}, con vencimiento el {expires_at:time}; "
    "el saldo disponible pasó a {available_after_credits:credits}.",
    "held_most": "Se retuvo el importe máximo posible, {held_credits:credits}, con vencimiento el "
    "{expires_at:time}; el saldo disponible pasó a {available_after_credits:credits}.",
    "open": "Aún no se ha cobrado nada: la retención termina cuando el cargo se liquida o se anula, "
    "como muy tarde el {expires_at:time}.",
    "voided": "Anulado el {resolved_at:time}: se liberó la retención de {held_credits:credits} y no se cobra nada.",
    "voided_after_expiry": "Anulado el {resolved_at:time}, cuando su retención de {held_credits:credits} "
    "ya había vencido, el {released_at:time}: no se cobra nada.",
    "void_reason": "Motivo indicado de la anulación: {reason:quoted}.",
    "expired": "La retención de {held_credits:credits} venció el {released_at:time}, sin liquidación: "
    "no se cobra nada.",
    "settle_until": "Admite liquidación fuera de plazo hasta el {settle_until:time}.",
    "failed_for": "Imagen {index}: fallida, {reason:quoted}. No se cobra.",
    "failed": "Imagen {index}: fallida, sin motivo indicado. No se cobra.",
    "failed_unreported": "Imagen {index}: no se informó de ella y cuenta como fallida. No se cobra.",
    "measured": "Imagen {index}: mide {width}×{height}; su lado largo es de {long_edge:px}.",
    "unmeasured": "Imagen {index}: entregada, pero sin medir; se aplica el tramo previsto, {size_tier}.",
    "price": "Precio en {size_tier} con calidad {billed_quality}, versión {price_version} de la tarifa: "
    "{tier_credits:credits}.",
    "capped": "Con tope en lo previsto: {quoted_credits_per_image:credits}.",
    "unrequested": "Excede lo solicitado ({n:images}). No se cobra.",
    "settled_one": "Liquidado el {resolved_at:time}: {credits:credits}.",
    "settled_sum": "Liquidado el {resolved_at:time}: {parts:sum} = {credits:credits}.",
    "as_quoted": "Es el importe previsto.",
    "less_than_quoted": "Diferencia con lo previsto: {difference:credits} menos.",
    "more_than_quoted": "Diferencia con lo previsto: {difference:credits} más.",
    "late": "Liquidado fuera de plazo: su retención había vencido el {released_at:time}.",
    "forced": "Liquidación forzada: su retención había terminado el {released_at:time}, "
    "pero las imágenes se entregaron.",
    "overdrawn": "En descubierto: supera el saldo disponible y se cobra porque las imágenes se entregaron.",
    "drawn_expiring": "Asiento {seq}: {credits:credits} del lote {grant_id} "
    "({kind:word}, prioridad {priority}, caduca el {expires_at:time}).",
    "drawn_lasting": "Asiento {seq}: {credits:credits} del lote {grant_id} "
    "({kind:word}, prioridad {priority}, no caduca).",
    "kept_for_hold": "Para entonces ya había caducado, pero estos créditos se conservaron para esta retención.",
    "before_by_priority": "Va antes que {next_grant_id}: su número de prioridad, {priority}, "
    "es menor que {next_priority}.",
    "before_by_expiry": "Va antes que {next_grant_id}: misma prioridad y caduca antes.",
    "before_by_age": "Va antes que {next_grant_id}: misma prioridad y caducidad, y es más antiguo.",
    "covers_all": "Cubre todo el importe: era el primero por orden "
    "(menor número de prioridad, después caducidad más próxima, después mayor antigüedad).",
    "covers_difference": "Cubre toda la diferencia: era el primero por orden.",
    "nothing_moves": "Asiento {seq}: nada se mueve, {credits:credits}.",
    "covers_rest": "Cubre el resto.",
    "exhausted": "Ningún otro lote tenía créditos disponibles.",
    "owed": "Asiento {seq}: {credits:credits} que ningún lote cubría; es deuda de la cuenta.",
    "nothing_due": "Asiento {seq}: un importe de {credits:credits}.",
    "balance": "Saldo contable: {posted_before:number} → {posted_after:credits}.",
    "debt_paid": "El {paid_at:time}, el lote {grant_id} ({kind:word}) pagó {credits:credits} "
    "de la deuda del asiento {seq} (asiento {paid_by_seq}).",
    "debt_paid_by_refund": "El {paid_at:time}, mediante el reembolso {refund_id} de otro cargo, el lote {grant_id} "
    "({kind:word}) pagó {credits:credits} de la deuda del asiento {seq} (asiento {paid_by_seq}).",
    "debt_paid_by_correction": "El {paid_at:time}, mediante una corrección del cargo {paid_by_request_id}, el lote "
    "{grant_id} ({kind:word}) pagó {credits:credits} de la deuda del asiento {seq} (asiento {paid_by_seq}).",
    "debt_left": "Pendiente de pago: {outstanding_credits:credits}.",
    "debt_cleared": "Con ello queda saldada.",
    "still_owed": "Deuda pendiente del asiento {seq}: {credits:credits}.",
    "refund": "Reembolso {refund_id}, {created_at:time}: {credits:credits}. Motivo indicado: {reason:quoted}.",
    "returned_to_grant": "Asiento {seq}: {credits:credits} de vuelta al lote {to_grant_id}.",
    "returned_to_successor": "Asiento {seq}: {credits:credits} del lote {from_grant_id}, ya terminado, "
    "al lote nuevo {to_grant_id}, que caduca el {to_expires_at:time}.",
    "returned_to_debts": "Asiento {seq}: {credits:credits} del lote {from_grant_id}, para pagar deuda de la cuenta.",
    "returned_as_less_debt": "Asiento {seq}: {credits:credits} menos de deuda, que ningún lote había pagado.",
    "correction_up": "Corrección {correction_id}, {created_at:time}: {credits:credits} más, "
    "según lo realmente entregado. Motivo indicado: {reason:quoted}.",
    "correction_down": "Corrección {correction_id}, {created_at:time}: {credits:credits} menos, "
    "según lo realmente entregado. Motivo indicado: {reason:quoted}.",
    "correction_even": "Corrección {correction_id}, {created_at:time}: el mismo total, "
    "según lo realmente entregado. Motivo indicado: {reason:quoted}.",
    "not_delivered": "Imagen {index}: no se entregó.",
    "costs_since": "Costaba {credits_before:credits} y desde entonces cuesta {credits_after:number}.",
    "net": "Cobrado, {billed_credits:number} − reembolsado, {refunded_credits:number} = {credits:credits}.",
    "net_raised": "Cobrado, {billed_credits:number} + correcciones, {difference:number} = {credits:credits}.",
    "net_lowered": "Cobrado, {billed_credits:number} − correcciones, {difference:number} = {credits:credits}.",
    "net_raised_and_refunded": "Cobrado, {billed_credits:number} + correcciones, {difference:number} "
    "− reembolsado, {refunded_credits:number} = {credits:credits}.",
    "net_lowered_and_refunded": "Cobrado, {billed_credits:number} − correcciones, {difference:number} "
    "− reembolsado, {refunded_credits:number} = {credits:credits}.",
}
