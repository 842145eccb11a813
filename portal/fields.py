"""Our fields: what an inventory item, an order line and a shipment can hold, and their usual names.

`kind` says how a value is read and stored:
text · identifier (text, kept to the letter) · gtin (check digit proved) · quantity (whole units)
· money (integer ten-thousandths of the source's currency) · measure (integer ten-thousandths of
its unit) · unit · images (JSON list of addresses) · date.
"""

from __future__ import annotations

from dataclasses import dataclass

MONEY_SCALE = 10_000
MEASURE_SCALE = 10_000
LARGEST_QUANTITY = 10_000_000


@dataclass(frozen=True)
class Field:
    """One of our fields. `aliases` are header names seen in real feeds, lower case, letters and digits only."""

    key: str
    label: str
    kind: str
    needed: bool = False
    hint: str = ""
    longest: int = 255
    aliases: tuple[str, ...] = ()


INVENTORY_FIELDS: tuple[Field, ...] = (
    Field("sku", "Inventory SKU", "identifier", True, "The supplier's own item number", 120,
          ("sku", "inventorysku", "itemno", "itemnumber", "itemnum", "item", "itemid", "itemcode", "partno", "partnumber",
           "stockcode", "stocknumber", "stockno", "productcode", "productid", "articleno", "artikelnummer", "artnr",
           "artikelnr", "vendorsku", "suppliersku", "variantsku", "code", "reference", "ref")),
    Field("parent_sku", "Parent SKU", "identifier", False, "Groups variants of one product", 120,
          ("parentsku", "parent", "parentid", "groupsku", "stylenumber", "styleno", "style", "modelno", "itemgroupid", "productgroup")),
    Field("title", "Title", "text", False, "", 500,
          ("title", "name", "productname", "producttitle", "itemname", "itemtitle", "shortdescription", "bezeichnung",
           "artikelbezeichnung", "titel", "titulo", "titre")),
    Field("description", "Description", "text", False, "", 50_000,
          ("description", "longdescription", "desc", "productdescription", "itemdescription", "details", "bodyhtml", "beschreibung")),
    Field("brand", "Brand", "text", False, "Brand or manufacturer", 255,
          ("brand", "brandname", "manufacturer", "manufacturername", "mfr", "mfrname", "mfg", "vendor", "make", "marke", "hersteller")),
    Field("upc", "UPC / EAN", "gtin", False, "8, 12, 13 or 14 digits; a wrong check digit is left out and noted", 14,
          ("upc", "ean", "gtin", "upcean", "upccode", "eancode", "barcode", "upcbarcode", "ean13", "upca", "gtin12", "gtin13", "gtin14")),
    Field("mpn", "MPN", "identifier", False, "The manufacturer's part number", 120,
          ("mpn", "manufacturerpartnumber", "mfrpartnumber", "mfgpartnumber", "mfrpart", "mfgpart", "manufacturerpartno", "mfrpartno",
           "mfgpartno", "manufacturerno", "manufacturersku", "mfrsku", "mfgno", "herstellernummer")),
    Field("quantity", "Quantity", "quantity", False, "Units the supplier can ship", 0,
          ("quantity", "qty", "qtyavail", "qtyavailable", "quantityavailable", "available", "availableqty", "onhand", "qtyonhand",
           "quantityonhand", "stock", "stockqty", "stocklevel", "inventory", "inventoryqty", "instock", "bestand", "menge", "lagerbestand",
           "verfuegbar", "cantidad", "existencias", "quantite", "voorraad", "availability")),
    Field("cost", "Cost", "money", False, "What you pay", 0,
          ("cost", "unitcost", "yourcost", "dealercost", "dealerprice", "wholesale", "wholesaleprice", "netprice", "price", "yourprice",
           "itemcost", "netcost", "einkaufspreis", "ekpreis", "preis", "precio", "prix")),
    Field("list_price", "List price", "money", False, "", 0,
          ("listprice", "list", "retail", "retailprice", "saleprice", "sellingprice", "listenpreis")),
    Field("msrp", "MSRP", "money", False, "Suggested retail price", 0,
          ("msrp", "rrp", "srp", "suggestedretail", "suggestedretailprice", "uvp")),
    Field("map_price", "MAP", "money", False, "Lowest price you may advertise", 0,
          ("map", "mapprice", "minimumadvertisedprice", "minadvertisedprice", "umap")),
    Field("weight", "Weight", "measure", False, "", 0,
          ("weight", "itemweight", "shipweight", "shippingweight", "weightlbs", "weightlb", "weightkg", "gewicht")),
    Field("weight_unit", "Weight unit", "unit", False, "pound, ounce, gram or kilogram", 20,
          ("weightunit", "weightuom", "weightunits", "wtunit")),
    Field("length", "Length", "measure", False, "", 0, ("length", "itemlength", "shiplength", "lengthin", "depth", "laenge")),
    Field("width", "Width", "measure", False, "", 0, ("width", "itemwidth", "shipwidth", "widthin", "breite")),
    Field("height", "Height", "measure", False, "", 0, ("height", "itemheight", "shipheight", "heightin", "hoehe")),
    Field("dimension_unit", "Dimension unit", "unit", False, "inch, foot, millimetre, centimetre or metre", 20,
          ("dimensionunit", "dimunit", "dimensionuom", "dimuom", "sizeunit")),
    Field("category_1", "Category 1", "text", False, "", 255,
          ("category1", "category", "maincategory", "department", "cat1", "producttype", "kategorie")),
    Field("category_2", "Category 2", "text", False, "", 255, ("category2", "subcategory", "cat2", "class")),
    Field("category_3", "Category 3", "text", False, "", 255, ("category3", "subsubcategory", "cat3", "subclass")),
    Field("images", "Images", "images", False, "One or more columns, or one column with a separator", 20_000,
          ("image", "images", "imageurl", "imageurls", "image1", "image2", "image3", "image4", "image5", "picture", "pictureurl",
           "mainimage", "imagelink", "photo")),
    Field("condition", "Condition", "text", False, "", 60, ("condition", "itemcondition", "zustand")),
    Field("status", "Status", "text", False, "Such as active or discontinued", 60,
          ("status", "itemstatus", "productstatus", "active", "discontinued")),
    Field("bin_location", "Bin location", "identifier", False, "", 60, ("bin", "binlocation", "location", "shelf", "lagerplatz")),
)  # fmt: skip

INVENTORY_BY_KEY = {field.key: field for field in INVENTORY_FIELDS}

SECONDARY_KEYS = ("sku", "quantity", "cost", "list_price", "msrp", "map_price", "status")
"""What Get Inventory Secondary may set: it names items by their SKU, and never makes or describes one."""
SECONDARY_FIELDS = tuple(INVENTORY_BY_KEY[key] for key in SECONDARY_KEYS)

# One item as a tuple, in this order, wherever rows move in bulk. The last two are canonical JSON texts:
# warehouses {"East": 4}, custom {"Colour": "red"}; images is a JSON list. Absent = None.
INVENTORY_COLUMNS: tuple[str, ...] = tuple(field.key for field in INVENTORY_FIELDS) + ("warehouses", "custom")

WEIGHT_UNITS = {"pound": 453.59237, "ounce": 28.349523125, "gram": 1.0, "kilogram": 1000.0}  # in grams
DIMENSION_UNITS = {"inch": 25.4, "foot": 304.8, "millimetre": 1.0, "centimetre": 10.0, "metre": 1000.0}  # in mm

ORDER_FIELDS: tuple[Field, ...] = (
    Field("po_number", "PO number", "identifier", True, "Our number for this request; unique", 60,
          ("ponumber", "po", "purchaseorder", "orderid", "ponum")),
    Field("po_date", "PO date", "date", False, "", 0, ("podate", "orderdate", "date")),
    Field("order_number", "Order number", "identifier", False, "The number on your channel", 60,
          ("ordernumber", "orderno", "channelorder", "customerpo")),
    Field("customer_reference", "Customer reference", "identifier", False, "", 60, ("customerreference", "reference", "customerref")),
    Field("ship_name", "Ship-to name", "text", True, "", 120, ("shipname", "shiptoname", "recipient", "name", "customername")),
    Field("ship_first_name", "Ship-to first name", "text", False, "Without one: the name up to its last word", 60,
          ("shipfirstname", "shiptofirstname")),
    Field("ship_last_name", "Ship-to last name", "text", False, "Without one: the last word of the name", 60,
          ("shiplastname", "shiptolastname")),
    Field("ship_company", "Ship-to company", "text", False, "", 120, ("company", "shipcompany", "shiptocompany")),
    Field("ship_address_1", "Address line 1", "text", True, "", 120,
          ("address1", "shipaddress1", "street", "shiptoaddress1", "addressline1", "address")),
    Field("ship_address_2", "Address line 2", "text", False, "", 120, ("address2", "shipaddress2", "shiptoaddress2", "addressline2")),
    Field("ship_city", "City", "text", True, "", 80, ("city", "shipcity", "shiptocity")),
    Field("ship_state", "State", "text", False, "", 80, ("state", "shipstate", "province", "region", "shiptostate")),
    Field("ship_state_code", "State code", "text", False, "Such as OR; empty where it is not known", 10, ("statecode", "provincecode")),
    Field("ship_state_name", "State name", "text", False, "Such as Oregon", 80, ("statename", "provincename")),
    Field("ship_postal", "Postal code", "identifier", True, "", 20, ("postal", "zip", "postalcode", "zipcode", "shipzip", "postcode")),
    Field("ship_country", "Country", "text", True, "Two letters, ISO 3166", 60, ("country", "countrycode", "shipcountry")),
    Field("ship_country_name", "Country name", "text", False, "Such as United States", 60, ("countryname", "shipcountryname")),
    Field("ship_phone", "Phone", "text", False, "", 40, ("phone", "telephone", "shipphone")),
    Field("ship_email", "Email", "text", False, "", 254, ("email", "shipemail")),
    Field("shipping_code", "Shipping code", "identifier", False, "The supplier's own code, such as UPSGND", 40,
          ("shippingcode", "shipcode", "shipvia", "servicecode")),
    Field("carrier", "Carrier", "text", False, "", 40, ("carrier",)),
    Field("method", "Method", "text", False, "", 60, ("method", "shipmethod", "shippingmethod", "service")),
    Field("cancel_after", "Cancel after", "date", False, "", 0, ("cancelafter", "canceldate")),
    Field("order_total", "Order total", "money", False, "Of the lines sent; empty where a cost is not known", 0, ("ordertotal",)),
    Field("currency", "Currency", "text", False, "Three letters, ISO 4217", 3, ("currency", "currencycode")),
    Field("note", "Note", "text", False, "", 500, ("note", "notes", "comments", "instructions")),
    Field("line_number", "Line number", "quantity", False, "1, 2, 3 within a request", 0, ("line", "lineno", "linenumber")),
    Field("sku", "Inventory SKU", "identifier", True, "", 120, ("sku", "itemno", "item", "itemnumber", "partnumber", "productcode")),
    Field("upc", "UPC / EAN", "gtin", False, "", 14, ("upc", "ean", "barcode", "gtin")),
    Field("mpn", "MPN", "identifier", False, "", 120, ("mpn",)),
    Field("title", "Title", "text", False, "", 500, ("title", "itemname", "description", "productname")),
    Field("quantity", "Quantity", "quantity", True, "", 0, ("quantity", "qty", "qtyordered", "orderqty")),
    Field("unit_cost", "Unit cost", "money", False, "", 0, ("unitcost", "cost", "price", "unitprice")),
    Field("line_total", "Line total", "money", False, "", 0, ("linetotal", "total", "extended", "amount")),
)  # fmt: skip

SHIPMENT_FIELDS: tuple[Field, ...] = (
    Field("tracking_number", "Tracking number", "identifier", True, "", 80,
          ("trackingnumber", "tracking", "trackingno", "trackingid", "track", "waybill")),
    Field("order_reference", "Order reference", "identifier", True, "The PO number we sent", 60,
          ("ponumber", "po", "orderreference", "ordernumber", "orderno", "reference", "customerpo")),
    Field("carrier", "Carrier", "text", False, "", 60, ("carrier", "shippedvia", "shipvia", "courier")),
    Field("shipped_at", "Shipment date", "date", False, "", 0,
          ("shipdate", "shippeddate", "shippedat", "shipmentdate", "dateshipped", "shipped")),
    Field("sku", "SKU", "identifier", False, "Empty: the whole request shipped", 120,
          ("sku", "item", "itemno", "itemnumber", "partnumber", "partid", "supplierpartid", "productid", "supplierproductid")),
    Field("quantity", "Quantity", "quantity", False, "", 0, ("quantity", "qty", "qtyshipped", "shippedqty")),
)  # fmt: skip

ANSWER_FIELDS: tuple[Field, ...] = (
    Field("order_reference", "Order reference", "identifier", True, "The PO number we sent", 60,
          ("ponumber", "po", "orderreference", "ordernumber", "orderno", "reference", "customerpo")),
    Field("sku", "SKU", "identifier", False, "Empty: the answer is for the whole request", 120,
          ("sku", "item", "itemno", "itemnumber", "partnumber")),
    Field("code", "Status", "text", False, "Accepted, rejected, or their code for it", 60,
          ("status", "code", "statuscode", "ackcode", "answer", "result", "ack")),
    Field("accepted", "Quantity accepted", "quantity", False, "In all, of that SKU", 0,
          ("qtyaccepted", "acceptedqty", "acceptedquantity", "quantityaccepted", "qtyconfirmed", "confirmedqty", "quantity", "qty")),
    Field("rejected", "Quantity rejected", "quantity", False, "In all, of that SKU", 0,
          ("qtyrejected", "rejectedqty", "rejectedquantity", "quantityrejected", "qtycancelled", "cancelledqty")),
    Field("reason", "Reason", "text", False, "", 200, ("reason", "message", "comment", "note", "reasoncode")),
    Field("their_id", "Their order number", "identifier", False, "", 120,
          ("vendororder", "vendorordernumber", "salesorder", "theirnumber")),
)  # fmt: skip
