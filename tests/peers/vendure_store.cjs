// A Vendure of its own on loopback, in memory: node vendure_store.cjs FOLDER_OF_PACKAGES PORT SCRATCH_FOLDER. Says READY.
const path = require('path'), fs = require('fs');
const [packages, port, scratch] = process.argv.slice(2);
const load = (name) => require(path.join(packages, 'node_modules', name));
const { createTestEnvironment, registerInitializer, SqljsInitializer, testConfig } = load('@vendure/testing');
const { mergeConfig, LanguageCode } = load('@vendure/core');

const goods = `name,slug,description,assets,facets,optionGroups,optionValues,sku,price,taxCategory,stockOnHand,trackInventory,variantAssets,variantFacets
Laptop,laptop,A laptop,,,"screen size|RAM","13 inch|8GB",L2201308,1299.00,standard,100,true,,
,,,,,,"15 inch|8GB",L2201508,1399.00,standard,7,true,,
Mouse,mouse,A mouse,,,,,MOUSE,9.99,standard,0,true,,
Licence,licence,A licence,,,,,LICENCE,99.00,standard,0,false,,
`;
const initialData = {
  defaultLanguage: LanguageCode.en, defaultZone: 'Europe', taxRates: [{ name: 'Standard Tax', percentage: 20 }],
  shippingMethods: [{ name: 'Standard', price: 500 }], paymentMethods: [], countries: [{ name: 'Austria', code: 'AT', zone: 'Europe' }],
  collections: [],
};

async function start() {
  registerInitializer('sqljs', new SqljsInitializer(path.join(scratch, 'database')));
  const { server } = createTestEnvironment(mergeConfig(testConfig, { apiOptions: { port: Number(port), hostname: '127.0.0.1' } }));
  const csv = path.join(scratch, 'goods.csv');
  fs.writeFileSync(csv, goods);
  await server.init({ initialData, productsCsvPath: csv, customerCount: 1 });
  console.log('READY');
}

start().catch((error) => { console.error(error); process.exit(1); });
