// oidc-provider, strict: a code serves once (a second use ends its tokens), a refresh token is replaced each time, PKCE is required.
// node oidc_provider.mjs PACKAGE PORT REDIRECT
import { pathToFileURL } from 'node:url';

const [packageFolder, port, redirect] = process.argv.slice(2);
const { Provider } = await import(pathToFileURL(`${packageFolder}/lib/index.js`).href);

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{
    client_id: 'quayside', client_secret: 'cl1ent-s3cret-of-the-peer', application_type: 'native', redirect_uris: [redirect],
    grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'], token_endpoint_auth_method: 'client_secret_basic',
  }],
  scopes: ['openid', 'offline_access', 'read_stock'],
  pkce: { required: () => true },
  rotateRefreshToken: true,
  issueRefreshToken: async () => true,
  ttl: { AccessToken: 3600, AuthorizationCode: 60, RefreshToken: 86400, Grant: 86400, Interaction: 600, Session: 3600, IdToken: 600 },
  features: { devInteractions: { enabled: true }, introspection: { enabled: true } },
});
provider.listen(Number(port), '127.0.0.1', () => console.log('oidc-provider listens'));
