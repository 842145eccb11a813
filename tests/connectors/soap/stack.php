<?php
// An independent SOAP stack for the tests: PHP's ext-soap behind PHP's own web server. What it was asked goes to a ledger, a line each.
// /stock.wsdl and its schemas as files; /stock serves them, /old old.wsdl in the encoded style of old; /promo/<service> serves a PromoStandards WSDL that lies at $PROMO.

$settings = json_decode(file_get_contents(getenv('SETTINGS')), true);
$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
file_put_contents(getenv('LEDGER'), json_encode([
    'method' => $_SERVER['REQUEST_METHOD'], 'path' => $path, 'type' => $_SERVER['CONTENT_TYPE'] ?? '', 'action' => $_SERVER['HTTP_SOAPACTION'] ?? '',
    'body' => file_get_contents('php://input'), 'basic' => $_SERVER['PHP_AUTH_USER'] ?? '',
]) . "\n", FILE_APPEND);

function needsBasic($settings) {
    if (($settings['auth'] ?? '') !== 'basic') return false;
    return ($_SERVER['PHP_AUTH_USER'] ?? '') !== 'ana' || ($_SERVER['PHP_AUTH_PW'] ?? '') !== $settings['password'];
}
if (needsBasic($settings)) { http_response_code(401); header('WWW-Authenticate: Basic realm="stock"'); exit('who are you?'); }

class Stock {
    private $settings; private $known = false;
    function __construct($settings) { $this->settings = $settings; }
    function Security($token) {
        $one = $token->UsernameToken;
        $good = $this->settings['password'];
        if (isset($one->Nonce)) $good = base64_encode(sha1(base64_decode($one->Nonce) . $one->Created . $good, true));
        $this->known = $one->Username === 'ana' && $one->Password === $good;
        if (!$this->known) throw new SoapFault('FailedAuthentication', 'The security token could not be authenticated');
    }
    private function may($asked) {
        $auth = $this->settings['auth'] ?? 'none';
        if ($auth === 'wsse') return $this->known;
        if ($auth === 'arguments') return ($asked->user ?? '') === 'ana' && ($asked->password ?? '') === $this->settings['password'];
        return true;
    }
    private function items($count) {
        $found = [];
        for ($n = 0; $n < $count; $n++) {
            $one = ['sku' => sprintf('00%d-A&B', $n), 'qty' => $n === 1 ? null : $n * 3, 'price' => $n + 0.5];
            if ($n) $one['place'] = array_map(fn($w) => ['code' => "W$w", 'qty' => $w], range(1, $n));
            $found[] = $one;
        }
        return $found;
    }
    function ListStock($asked) {
        if (isset($this->settings['fault'])) throw new SoapFault($this->settings['fault'], 'It went wrong for ' . ($asked->user ?? 'you'), null, ['where' => 'here']);
        if (!$this->may($asked)) return ['result' => ['code' => '17', 'message' => 'Invalid user or password']];
        $message = $this->settings['message'] ?? 'OK';
        $found = $this->items($this->settings['count'] ?? 3);
        if (isset($asked->only->sku)) $found = array_slice($found, 0, count((array) $asked->only->sku));
        return ['result' => ['code' => '0', 'message' => $message], 'warehouse' => 'Main', 'items' => ['item' => $found]];
    }
    function GetStock($asked) {
        if ($asked->productId === 'gone') return ['result' => ['code' => '404', 'message' => 'No such product']];
        return ['result' => ['code' => '0', 'message' => 'OK'], 'item' => [['sku' => $asked->productId . '-1', 'qty' => 5], ['sku' => $asked->productId . '-2', 'qty' => 6]]];
    }
}

class Promo {
    private $settings;
    function __construct($settings) { $this->settings = $settings; }
    private function says($code, $text, $severity = 'Error') {
        return ['ServiceMessageArray' => ['ServiceMessage' => [['code' => $code, 'description' => $text, 'severity' => $severity]]]];
    }
    private function refused($asked) {
        if (isset($this->settings['code'])) return $this->says($this->settings['code'], 'As the test wants');
        return $asked->password === $this->settings['password'] ? null : $this->says(105, 'Authentication Credentials failed');
    }
    function getInventoryLevels($asked) {
        if ($no = $this->refused($asked)) return $no;
        if ($asked->productId === 'UNKNOWN') return $this->says(130, 'Product Id not found');
        $part = fn($size, $qty, $places) => ['partId' => "$asked->productId-$size", 'mainPart' => true, 'partColor' => 'Navy', 'labelSize' => $size,
            'partDescription' => "Shirt $size", 'quantityAvailable' => ['Quantity' => ['uom' => 'EA', 'value' => $qty]],
            'manufacturedItem' => false, 'buyToOrder' => false,
            'InventoryLocationArray' => ['InventoryLocation' => array_map(fn($w) => ['inventoryLocationId' => "$w", 'inventoryLocationName' => "Place $w", 'postalCode' => '98027', 'country' => 'US',
                'inventoryLocationQuantity' => ['Quantity' => ['uom' => 'EA', 'value' => $w * 10]]], $places)]];
        return ['Inventory' => ['productId' => $asked->productId, 'PartInventoryArray' => ['PartInventory' => [$part('S', 10, [1]), $part('M', 30, [1, 2])]]]];
    }
    function getFilterValues($asked) {
        if ($no = $this->refused($asked)) return $no;
        return ['FilterValues' => ['productId' => $asked->productId, 'Filter' => ['partIdArray' => ['partId' => ["$asked->productId-S", "$asked->productId-M"]]]]];
    }
    function getSupportedOrderTypes($asked) {
        if ($no = $this->refused($asked)) return $no;
        return ['supportedOrderTypes' => ['Blank', 'Sample']];
    }
    function sendPO($asked) {
        if ($no = $this->refused($asked)) return $no;
        return ['transactionId' => 4711];
    }
    private function parcels($asked) {
        $given = $asked->referenceNumber ?? '';
        if (in_array($given, $this->settings['broken'] ?? [])) return $this->says(999, 'Our own fault');
        $of = ['1' => fn($one) => $one['po'] === $given, '2' => fn($one) => $one['so'] === $given, '3' => fn($one) => isset($asked->shipmentDateTimestamp)];
        $found = array_values(array_filter($this->settings['orders'], $of[$asked->queryType]));
        if (!$found) return $this->says(302, 'No orders');
        $where = ['address1' => '1 Quay', 'city' => 'Portland', 'region' => 'ME', 'postalCode' => '04101'];
        $item = fn($one) => ['supplierProductId' => 'PC61', 'supplierPartId' => $one[0], 'Quantity' => ['value' => $one[1], 'uom' => $one[2] ?? 'EA']];
        $package = fn($one) => array_filter(['trackingNumber' => $one['number'] ?? null, 'FreightDetails' => ['carrier' => 'UPS', 'service' => 'GROUND'],
            'ItemArray' => isset($one['items']) ? ['Item' => array_map($item, $one['items'])] : null]) + ['shipmentDate' => '2026-11-26T15:00:00Z', 'preProductionProof' => 'No'];
        $place = fn($packages) => ['destinationShippedInFull' => false, 'customerPickup' => false, 'shipFromAddress' => $where, 'shipToAddress' => $where,
            'PackageArray' => ['Package' => array_map($package, $packages)]];
        $order = fn($one) => ['purchaseOrderNumber' => $one['po'], 'purchaseOrderShippedInFull' => $one['full'] ?? false, 'SalesOrderArray' => ['SalesOrder' => [
            ['salesOrderNumber' => $one['so'], 'salesOrderShippedInFull' => $one['full'] ?? false, 'ShipmentArray' => ['Shipment' => array_map($place, $one['places'])]]]]];
        return ['OrderShipmentNotificationArray' => ['OrderShipmentNotification' => array_map($order, $found)]];
    }
    function getOrderShipmentNotification($asked) {
        if ($no = $this->refused($asked)) return $no;
        if (isset($this->settings['orders'])) return $this->parcels($asked);
        if (($asked->referenceNumber ?? '') !== 'PO-1') return $this->says(160, 'No Result Found', 'Error');
        return ['OrderShipmentNotificationArray' => ['OrderShipmentNotification' => [['purchaseOrderNumber' => 'PO-1', 'purchaseOrderShippedInFull' => true,
            'SalesOrderArray' => ['SalesOrder' => [['salesOrderNumber' => 'SO-9', 'salesOrderShippedInFull' => true, 'ShipmentArray' => ['Shipment' => []]]]]]]]];
    }
}

class Old {
    function list($user, $count) {
        $same = (object) ['sku' => '00-SAME', 'qty' => 7];
        return array_merge(array_map(fn($n) => (object) ['sku' => "0$n-$user", 'qty' => $n], range(1, $count)), [$same, $same]);
    }
}

$promo = ['inventory' => 'inventory-2.0.0/InventoryService.wsdl', 'po' => 'po-1.0.0/POService.wsdl', 'osn' => 'osn-2.0.0/OrderShipmentNotificationService.wsdl'];
if ($path === '/stock') {
    $server = new SoapServer(getenv('FOLDER') . '/stock.wsdl', ['cache_wsdl' => WSDL_CACHE_NONE, 'soap_version' => str_starts_with($_SERVER['CONTENT_TYPE'] ?? '', 'application/soap+xml') ? SOAP_1_2 : SOAP_1_1]);
    $server->setObject(new Stock($settings));
    $server->handle();
} elseif ($path === '/old') {
    $server = new SoapServer(getenv('FOLDER') . '/old.wsdl', ['cache_wsdl' => WSDL_CACHE_NONE]);
    $server->setObject(new Old());
    $server->handle();
} elseif (preg_match('~^/promo/(\w+)$~', $path, $found) && isset($promo[$found[1]])) {
    $server = new SoapServer(getenv('PROMO') . '/' . $promo[$found[1]], ['cache_wsdl' => WSDL_CACHE_NONE]);
    $server->setObject(new Promo($settings));
    $server->handle();
} elseif (is_file($file = getenv('FOLDER') . $path)) {
    header('Content-Type: text/xml');
    echo str_replace('ENDPOINT', 'http://' . $_SERVER['HTTP_HOST'] . '/stock', file_get_contents($file));
} else {
    http_response_code(404);
    echo '<html><body>Not here</body></html>';
}
