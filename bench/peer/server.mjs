// node-oidc-provider as it would stand behind a proxy that ends TLS: artifacts in Redis, keys and clients from a file.
//
// Its users sign in by redirects alone: the interaction page finishes at once, as another user for each new browser.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';
import { RedisStore } from './redis_store.mjs';

const { issuer, port, cookieKeys, jwks, clients } = JSON.parse(readFileSync(process.env.PEER_SETTINGS, 'utf8'));
const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const provider = new Provider(issuer, {
  adapter: RedisStore,
  jwks,
  clients,
  cookies: { keys: cookieKeys },
  scopes: ['openid', 'offline_access'],
  claims: {
    openid: ['sub'],
    profile: ['name', 'family_name', 'middle_name', 'given_name', 'birthdate', 'locale', 'zoneinfo', 'updated_at'],
    email: ['email', 'email_verified'],
  },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: (_, client, token) => token.clientId === client.clientId },
    revocation: { enabled: true },
  },
  pkce: { required: () => true },
  rotateRefreshToken: true,
  issueRefreshToken: async (_, client) => client.grantTypeAllowed('refresh_token'),
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (_, id) => ({ accountId: id, claims: async () => person(id) }),
  // The lifetimes that SenID has by default.
  ttl: {
    AccessToken: 10 * MINUTE,
    AuthorizationCode: MINUTE,
    ClientCredentials: 10 * MINUTE,
    Grant: 30 * DAY,
    IdToken: 10 * MINUTE,
    Interaction: HOUR,
    RefreshToken: 30 * DAY,
    Session: 8 * HOUR,
  },
});
provider.proxy = true;

function person(id) {
  return {
    sub: id,
    name: 'Nguyễn Thị Ánh Tuyết',
    family_name: 'Nguyễn',
    middle_name: 'Thị Ánh',
    given_name: 'Tuyết',
    birthdate: '1990-02-01',
    locale: 'vi-VN',
    zoneinfo: 'Asia/Ho_Chi_Minh',
    updated_at: 1_700_000_000,
    email: 'tuyet@example.vn',
    email_verified: false,
  };
}

let people = 0;

async function signInAndConsent(request, response) {
  const { params, session } = await provider.interactionDetails(request, response);
  const accountId = session?.accountId ?? `person-${(people += 1)}`;
  const grant = new provider.Grant({ accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  const result = { login: { accountId }, consent: { grantId: await grant.save() } };
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
}

const answer = provider.callback();
const server = createServer((request, response) => {
  if (!request.url.startsWith('/interaction/')) {
    answer(request, response);
    return;
  }
  signInAndConsent(request, response).catch((error) => {
    console.error(error);
    response.writeHead(500).end();
  });
});
server.listen(port, '127.0.0.1');
