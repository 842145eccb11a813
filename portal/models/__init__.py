"""The schema: one module per noun. Fields, indexes and small queries; no rules, no I/O beyond the database."""

from portal.models.accounts import FormToken, Merchant, Session, SignInAttempt, User
from portal.models.alerts import Alert, AlertMessage, AlertSettings, AlertWish
from portal.models.audit import AuditLine
from portal.models.billing import (
    BillingDetails,
    BillingPlan,
    BillingSettings,
    Invoice,
    InvoiceMark,
    PlanPeriod,
    PlanRequest,
)
from portal.models.bulk_acts import BulkAct, BulkItem
from portal.models.catalogue import (
    AutomaticLinking,
    CatalogueCount,
    LinkCandidate,
    LinkDamaged,
    Linking,
    LinkMoved,
    LinkUnmatched,
    Product,
    ProductLink,
)
from portal.models.channels import Channel, ChannelAttempt, ChannelNotice, ChannelOrder
from portal.models.database import Table, connect, database
from portal.models.descriptions import ServiceDescription
from portal.models.documents import Document, RunFile
from portal.models.exchanges import Exchange
from portal.models.exclusions import Exclusion, ExclusionSku, KeptOutChange, PlanLimit, UsageDay
from portal.models.inventory import (
    FeedState,
    FreshRow,
    InventoryChange,
    InventoryItem,
    ItemPin,
    PlanRow,
    SetAsideRow,
    StagedRow,
    StaleRecord,
    UnknownSku,
)
from portal.models.keeping import Erasure, Retention, WorkspaceExport
from portal.models.key_offers import KeyOffer
from portal.models.listings import ChannelPush, FeedLink, Listing, ListingBatch, ListingPush
from portal.models.operation import MerchantTurn, OperatorNote, RunningProcess, SchedulerLease
from portal.models.orders import (
    AnswerProblem,
    ApiAnswer,
    ApiToken,
    CommittedStock,
    FulfillmentRequest,
    Order,
    OrderFile,
    OrderLine,
    RequestEvent,
    RequestLine,
    SendingStop,
    ShippingCode,
)
from portal.models.outbox import SendAttempt, Submission, SubmissionMember, SubmissionPart
from portal.models.people import Authenticator, Passkey, PersonLink, RecoveryCode
from portal.models.runs import Run, RunMessage
from portal.models.shipments import Shipment, ShipmentItem
from portal.models.sources import (
    Circuit,
    Connection,
    Integration,
    LatePeriod,
    MappingVersion,
    OauthGrant,
    OauthRequest,
    SealedSecret,
    Source,
)
from portal.models.support import SourceReset, StaffFormToken, StaffPerson, StaffSession, SupplierOutage, SupportGrant, SupportView
from portal.models.webhooks import Webhook, WebhookDelivery, WebhookSeen

TABLES: list[type[Table]] = [
    Merchant, User, Session, SignInAttempt, FormToken, AuditLine, PersonLink, Authenticator, RecoveryCode, Passkey,
    Source, Connection, Circuit, SealedSecret, OauthGrant, OauthRequest, KeyOffer, ServiceDescription, Integration, LatePeriod,
    MappingVersion,
    Run, RunMessage, Document, RunFile, Exchange,
    InventoryItem, FreshRow, StagedRow, PlanRow, InventoryChange, SetAsideRow, ItemPin, FeedState, StaleRecord,
    StaffPerson, StaffSession, StaffFormToken, SupportView, SupportGrant, SourceReset, SupplierOutage,
    UnknownSku, PlanLimit, UsageDay, Exclusion, ExclusionSku, KeptOutChange, Webhook, WebhookDelivery, WebhookSeen,
    OrderFile, Order, OrderLine,
    FulfillmentRequest, RequestLine, RequestEvent, CommittedStock, AnswerProblem, ShippingCode, ApiToken, ApiAnswer,
    Linking, Product, ProductLink, LinkCandidate, LinkUnmatched, LinkDamaged, LinkMoved, AutomaticLinking, CatalogueCount,
    SendingStop, Submission, SubmissionMember, SubmissionPart, SendAttempt, Shipment, ShipmentItem,
    Channel, ChannelOrder, ChannelNotice, ChannelAttempt,
    ListingBatch, Listing, FeedLink, ChannelPush, ListingPush,
    Alert, AlertMessage, AlertWish, AlertSettings,
    BulkAct, BulkItem,
    RunningProcess, SchedulerLease, OperatorNote, MerchantTurn,
    BillingPlan, PlanPeriod, PlanRequest, BillingSettings, BillingDetails, Invoice, InvoiceMark,
    WorkspaceExport, Erasure, Retention,
]  # fmt: skip

__all__ = [
    "SourceReset", "StaffFormToken", "StaffPerson", "StaffSession", "SupplierOutage", "SupportGrant", "SupportView",
    "TABLES", "Authenticator", "Passkey", "PersonLink", "RecoveryCode", "Alert", "AlertMessage", "AlertSettings", "AlertWish",
    "AnswerProblem", "ApiAnswer", "ApiToken", "AuditLine", "AutomaticLinking", "BulkAct", "BulkItem", "Channel", "ChannelAttempt",
    "CatalogueCount",
    "BillingDetails", "BillingPlan", "BillingSettings", "Invoice", "InvoiceMark", "PlanPeriod", "PlanRequest",
    "ChannelNotice", "ChannelOrder", "Circuit", "CommittedStock", "Connection", "Document",
    "Erasure", "Exchange", "Exclusion", "ExclusionSku", "FeedLink", "FeedState", "FormToken", "FreshRow", "FulfillmentRequest",
    "Integration", "InventoryChange",
    "InventoryItem", "ItemPin", "KeptOutChange", "KeyOffer", "LatePeriod", "LinkCandidate", "LinkDamaged", "LinkMoved",
    "LinkUnmatched", "Linking", "Listing",
    "ListingBatch", "ListingPush", "ChannelPush",
    "MappingVersion", "Merchant", "MerchantTurn", "OauthGrant",
    "OauthRequest", "OperatorNote", "Order", "OrderFile", "OrderLine", "PlanLimit", "PlanRow",
    "Product", "ProductLink",
    "RequestEvent", "RequestLine", "Retention", "Run", "RunFile",
    "RunMessage", "RunningProcess", "SchedulerLease", "SealedSecret", "SendAttempt", "SendingStop", "ServiceDescription", "Session",
    "SetAsideRow", "Shipment", "ShipmentItem", "ShippingCode", "SignInAttempt", "Source", "StagedRow",
    "StaleRecord", "Submission", "SubmissionMember", "SubmissionPart", "Table", "UnknownSku", "UsageDay", "User",
    "Webhook", "WebhookDelivery", "WebhookSeen", "WorkspaceExport", "connect", "database",
]  # fmt: skip
