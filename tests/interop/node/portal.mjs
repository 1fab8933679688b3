// A portal that speaks OpenID Connect by openid-client, as it comes from its registry. It is told what to do by lines of JSON and answers
// each with one line: {"done": ...}, or {"refused": {...}} with what the library found wrong.
import { createInterface } from "node:readline";
import * as openid from "openid-client";

let config;
let attempt;
let tokens;

const METHODS = {
  client_secret_basic: ({ client_secret }) => openid.ClientSecretBasic(client_secret),
  client_secret_post: ({ client_secret }) => openid.ClientSecretPost(client_secret),
  private_key_jwt: async ({ key }) => openid.PrivateKeyJwt(await imported(key)),
  none: () => openid.None(),
};
const KEY_KINDS = {
  ES256: { name: "ECDSA", namedCurve: "P-256" },
  RS256: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
};

const verbs = {
  async discover({ issuer, client, id_token_alg }) {
    const metadata = { id_token_signed_response_alg: id_token_alg };
    const method = await METHODS[client.auth_method](client);
    config = await openid.discovery(new URL(issuer), client.client_id, metadata, method);
    openid.enableNonRepudiationChecks(config); // verify signatures by the provider's keys, although TLS would do (OpenID Connect Core 3.1.3.7)
    return config.serverMetadata();
  },

  async begin({ parameters }) {
    attempt = {
      pkceCodeVerifier: openid.randomPKCECodeVerifier(),
      expectedState: openid.randomState(),
      expectedNonce: openid.randomNonce(),
      idTokenExpected: true,
    };
    const own = {
      state: attempt.expectedState,
      nonce: attempt.expectedNonce,
      code_challenge: await openid.calculatePKCECodeChallenge(attempt.pkceCodeVerifier),
      code_challenge_method: "S256",
    };
    return openid.buildAuthorizationUrl(config, { ...parameters, ...own }).href;
  },

  async finish({ url, form }) {
    const answer = form ? new Request(url, { method: "POST", body: new URLSearchParams(form) }) : new URL(url);
    tokens = await openid.authorizationCodeGrant(config, answer, attempt);
    return received();
  },

  async userinfo({ subject }) {
    return openid.fetchUserInfo(config, tokens.access_token, subject ?? tokens.claims().sub);
  },

  async refresh({ refresh_token }) {
    const fresh = await openid.refreshTokenGrant(config, refresh_token);
    tokens = { ...tokens, ...fresh, claims: () => fresh.claims() };
    return received();
  },

  async sign_out({ parameters }) {
    return openid.buildEndSessionUrl(config, { id_token_hint: tokens.id_token, ...parameters }).href;
  },
};

function received() {
  return { ...tokens, claims: tokens.claims() };
}

async function imported({ alg, ...jwk }) {
  return { key: await crypto.subtle.importKey("jwk", jwk, KEY_KINDS[alg], false, ["sign"]), kid: jwk.kid };
}

async function answer(line) {
  const { verb, ...told } = JSON.parse(line);
  try {
    return { done: await verbs[verb](told) };
  } catch (error) {
    const { code, message, cause } = error;
    // A 401 with a challenge (RFC 6749 5.2) is told by its status and scheme: the library does not read the body then.
    const challenge = error instanceof openid.WWWAuthenticateChallengeError ? `${error.status} ${cause[0].scheme}` : undefined;
    return { refused: { code, message, error: error.error ?? challenge, cause: cause?.message ?? cause?.code } };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await answer(line))}\n`);
}
