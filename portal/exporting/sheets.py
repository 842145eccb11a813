"""What is in an export: each table of a merchant as a named file, or the reason why it is left out. No secret, no hash of one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from portal import models as of
from portal.models import Table


@dataclass(frozen=True)
class Sheet:
    """One file of an export. `name`: its path in the zip, .csv for people or .jsonl. `but`: columns that stay out of it. `money`: columns
    that hold ten-thousandths and are written as decimals.
    """  # fmt: skip

    table: type[Table]
    name: str
    what: str
    but: tuple[str, ...] = ()
    money: tuple[str, ...] = ()


SHEETS: tuple[Sheet, ...] = (
    Sheet(of.Merchant, "workspace/workspace.jsonl", "Name and settings of the workspace", ("data_key", "audit_lines")),
    Sheet(of.User, "workspace/people.csv", "Who signs in, and as what", ("password_hash",)),
    Sheet(of.AuditLine, "workspace/audit-log.jsonl", "Who did what, when and from where"),
    Sheet(of.SupportView, "support/views.jsonl", "When support staff viewed the workspace, and why"),
    Sheet(of.SupportGrant, "support/grants.csv", "When support was allowed to change things"),
    Sheet(of.SourceReset, "support/resets.jsonl", "Sources that support reset, and why"),
    Sheet(of.ApiToken, "workspace/api-tokens.csv", "Tokens of the API by name and scopes, never the token", ("token_hash",)),
    Sheet(of.Retention, "workspace/how-long-things-are-kept.jsonl", "For how many days things are kept, where that was set"),
    Sheet(of.PlanLimit, "plan/limits.csv", "What the plan holds"),
    Sheet(of.UsageDay, "plan/usage.csv", "What of it was used, day by day"),
    Sheet(of.PlanPeriod, "plan/periods.csv", "Which plan was held when"),
    Sheet(of.PlanRequest, "plan/wishes.csv", "Other plans that were asked for"),
    Sheet(of.BillingDetails, "plan/billing-details.csv", "Whom invoices are made out to"),
    Sheet(of.Invoice, "plan/invoices.jsonl", "Invoices and credit notes, line by line; totals in the smallest unit of their currency"),
    Sheet(of.InvoiceMark, "plan/payments.csv", "What was marked as paid"),
    Sheet(of.Source, "sources/sources.jsonl", "Fulfillment sources and lines of channels, with their rules"),
    Sheet(of.Connection, "sources/connections.jsonl", "Addresses and choices of connections, without any credential"),
    Sheet(of.Integration, "sources/integrations.jsonl", "Integrations with files, schedules and limits"),
    Sheet(of.MappingVersion, "sources/mappings.jsonl", "Every version of every mapping"),
    Sheet(of.ShippingCode, "sources/shipping-codes.csv", "What each source calls a way of shipping"),
    Sheet(of.LatePeriod, "sources/late-feeds.csv", "When feeds were late"),
    Sheet(of.Exclusion, "inventory/exclusions.jsonl", "Inventory exclusion rules"),
    Sheet(of.ExclusionSku, "inventory/excluded-skus.csv", "SKUs that were excluded one by one"),
    Sheet(of.InventoryItem, "inventory/items.csv", "Inventory items as they are now"),
    Sheet(of.ItemPin, "inventory/pins.jsonl", "Values that people pinned"),
    Sheet(of.InventoryChange, "inventory/changes.jsonl", "What each run changed, before and after"),
    Sheet(of.KeptOutChange, "inventory/kept-out.csv", "When items were excluded, had to wait, or came in"),
    Sheet(of.UnknownSku, "inventory/unknown-skus.csv", "SKUs that a second feed names and the source lacks"),
    Sheet(of.SetAsideRow, "runs/rows-set-aside.jsonl", "Rows of files that were set aside, and why"),
    Sheet(of.Run, "runs/runs.jsonl", "Every run with its counts"),
    Sheet(of.RunMessage, "runs/messages.csv", "What runs said"),
    Sheet(of.RunFile, "runs/files.csv", "Which files each run read"),
    Sheet(of.Document, "runs/documents.csv", "Files that came in, and what they are called below files/"),
    Sheet(of.Exchange, "runs/exchanges.jsonl", "Requests to suppliers' APIs and their answers, without secrets"),
    Sheet(of.WebhookDelivery, "runs/webhook-deliveries.jsonl", "What came by webhook"),
    Sheet(of.Product, "products/products.csv", "Products by Master SKU"),
    Sheet(of.ProductLink, "products/links.csv", "Which item belongs to which product, and by which rule"),
    Sheet(of.Linking, "products/linkings.jsonl", "Each time that items were linked"),
    Sheet(of.Order, "orders/orders.jsonl", "Orders with their addresses", money=("total",)),
    Sheet(of.OrderLine, "orders/order-lines.csv", "Lines of orders", money=("price",)),
    Sheet(of.OrderFile, "orders/order-files.jsonl", "Files of orders that were uploaded, with the rows that were not taken"),
    Sheet(of.FulfillmentRequest, "orders/requests.jsonl", "Fulfillment requests"),
    Sheet(of.RequestLine, "orders/request-lines.csv", "Lines of requests, with what became of each unit", money=("unit_cost",)),
    Sheet(of.RequestEvent, "orders/request-events.jsonl", "Everything that happened to requests"),
    Sheet(of.CommittedStock, "orders/committed-stock.csv", "Units that requests hold"),
    Sheet(of.AnswerProblem, "orders/answers-to-settle.jsonl", "What sources told that did not fit"),
    Sheet(of.Submission, "orders/submissions.jsonl", "What left for sources", ("token",)),
    Sheet(of.SubmissionMember, "orders/submission-requests.csv", "Which requests were in them"),
    Sheet(of.SubmissionPart, "orders/submission-documents.jsonl", "The very documents that left, in base64"),
    Sheet(of.SendAttempt, "orders/attempts.jsonl", "Each try to send", ("token",)),
    Sheet(of.Shipment, "shipments/shipments.csv", "Parcels as sources told them", money=("cost",)),
    Sheet(of.ShipmentItem, "shipments/shipment-items.csv", "What is in them"),
    Sheet(of.Channel, "channels/channels.jsonl", "Channels and their settings"),
    Sheet(of.ChannelOrder, "channels/store-orders.jsonl", "Orders of stores as they were last read"),
    Sheet(of.ChannelNotice, "channels/tracking-told.csv", "Tracking numbers told to stores"),
    Sheet(of.ChannelAttempt, "channels/tracking-attempts.csv", "Each look and each try"),
    Sheet(of.Listing, "channels/listings.jsonl", "What is offered where", money=("price", "pushed_price", "store_price")),
    Sheet(of.ChannelPush, "channels/sending-units.jsonl", "How units and prices go to stores"),
    Sheet(of.ListingPush, "channels/units-sent.csv", "What stores were sent of each listing", money=("old_price", "new_price")),
    Sheet(of.ListingBatch, "channels/listing-batches.jsonl", "Many listings made at once"),
    Sheet(of.Alert, "alerts/alerts.jsonl", "What needed somebody"),
    Sheet(of.AlertMessage, "alerts/messages.csv", "Who was told of it", ("token",)),
    Sheet(of.AlertWish, "alerts/wishes.csv", "How each person is told"),
    Sheet(of.AlertSettings, "alerts/settings.jsonl", "Rules of alerts, without the webhook's secret", ("hook_secret", "hook_hint")),
    Sheet(of.BulkAct, "inventory/bulk-acts.jsonl", "What was done to many items at once"),
    Sheet(of.BulkItem, "inventory/bulk-act-items.csv", "Which items those were"),
    Sheet(of.Erasure, "workspace/erasures.csv", "Who was erased when, without who it was", ("sealed", "marks")),
)

_SIGNS_IN, _AGAIN, _SCRATCH = "signs people or programs in", "made again from the rest", "work in progress"
LEFT_OUT: Mapping[type[Table], str] = {
    **dict.fromkeys(
        (
            of.Session, of.FormToken, of.PersonLink, of.Authenticator, of.RecoveryCode, of.Passkey, of.SealedSecret, of.OauthGrant,
            of.OauthRequest, of.KeyOffer, of.Webhook, of.FeedLink, of.ApiAnswer,
        ),
        _SIGNS_IN,
    ),
    **dict.fromkeys((of.CatalogueCount, of.ServiceDescription, of.StaleRecord, of.FeedState, of.Circuit, of.AutomaticLinking), _AGAIN),
    **dict.fromkeys(
        (
            of.FreshRow, of.StagedRow, of.PlanRow, of.LinkCandidate, of.LinkUnmatched, of.LinkDamaged, of.LinkMoved, of.WebhookSeen,
            of.SendingStop, of.MerchantTurn, of.WorkspaceExport,
        ),
        _SCRATCH,
    ),
}  # fmt: skip
"""Tables of merchants that are in no export, and why."""
