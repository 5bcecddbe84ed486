// The identity providers that the tests of OIDC sign in at: the real library, with people who say who they are.
//
// node server.mjs BACK: prints one line of JSON with both issuers, then serves until it is ended. BACK is the only address
// that people are sent back to. "careful" signs with RSA, wants the client's secret in the header and tells groups only at
// userinfo; "plain" signs with an elliptic curve, wants it in the form and puts all claims into the ID token.
import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import Provider from "oidc-provider";

const back = process.argv[2];
const people = new Map();

const kinds = {
  careful: { alg: "RS256", method: "client_secret_basic", conform: true, key: () => generateKeyPairSync("rsa", { modulusLength: 2048 }) },
  plain: { alg: "ES256", method: "client_secret_post", conform: false, key: () => generateKeyPairSync("ec", { namedCurve: "P-256" }) },
};

async function start({ alg, method, conform, key }) {
  const server = createServer();
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const signing = { ...key().privateKey.export({ format: "jwk" }), use: "sig", alg, kid: `key-${alg}` };
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: "do thi:1",
        client_secret: "a secret: +/=%&",
        redirect_uris: [back],
        token_endpoint_auth_method: method,
        id_token_signed_response_alg: alg,
      },
    ],
    clientAuthMethods: [method],
    enabledJWA: { idTokenSigningAlgValues: [alg] },
    jwks: { keys: [signing] },
    cookies: { keys: ["only for tests"] },
    scopes: ["openid", "profile", "groups"],
    claims: { openid: ["sub", "amr"], profile: ["name", "preferred_username"], groups: ["groups"] },
    conformIdTokenClaims: conform,
    pkce: { required: () => true },
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_, { uid }) => `/interaction/${uid}` },
    findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ sub, ...people.get(sub) }) }),
  });
  const serve = provider.callback();
  server.on("request", (request, response) => {
    const url = new URL(request.url, issuer);
    const answer = url.pathname.startsWith("/interaction/") ? interact(provider, url, request, response) : serve(request, response);
    Promise.resolve(answer).catch((error) => response.writeHead(500).end(String(error)));
  });
  return issuer;
}

// /interaction/UID?sub=…&groups=a,b&amr=pwd,mfa signs in as somebody; ?refuse=yes refuses.
async function interact(provider, url, request, response) {
  const { params } = await provider.interactionDetails(request, response);
  const asked = url.searchParams;
  if (asked.has("refuse")) {
    return provider.interactionFinished(request, response, { error: "access_denied" });
  }
  if (!asked.has("sub")) {
    return response.writeHead(200, { "content-type": "text/plain" }).end("who are you?");
  }
  const listed = (name) => asked.get(name)?.split(",") ?? [];
  const accountId = asked.get("sub");
  people.set(accountId, { name: asked.get("name"), preferred_username: asked.get("login"), groups: listed("groups") });
  const grant = new provider.Grant({ accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  const grantId = await grant.save();
  return provider.interactionFinished(request, response, { login: { accountId, amr: listed("amr") }, consent: { grantId } });
}

console.log(JSON.stringify({ careful: await start(kinds.careful), plain: await start(kinds.plain) }));
