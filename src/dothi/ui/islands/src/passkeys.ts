// Passkeys: asks the browser for one, or to make one, and sends its answer. The forms are hidden where this cannot run.
type Way = "get" | "create";

class Refused extends Error {}

async function send(url: string, body: unknown): Promise<unknown> {
  const answer = await fetch(url, { method: "POST", headers: { "content-type": "application/json", accept: "application/json" }, body: JSON.stringify(body) });
  if (!answer.ok) throw new Refused(String(answer.status));
  return answer.json();
}

async function ask(way: Way, options: unknown): Promise<PublicKeyCredential> {
  const found =
    way === "get"
      ? await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options as PublicKeyCredentialRequestOptionsJSON) })
      : await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options as PublicKeyCredentialCreationOptionsJSON) });
  return found as PublicKeyCredential;
}

async function go(form: HTMLFormElement): Promise<void> {
  const button = form.querySelector<HTMLButtonElement>("button")!;
  const wrong = form.querySelector<HTMLElement>("[data-part=wrong]")!;
  const { passkey, options = "", answer = "", refused = "", failed = "" } = form.dataset;
  button.disabled = true;
  wrong.hidden = true;
  try {
    const credential = await ask(passkey as Way, await send(options, {}));
    const told = { ...Object.fromEntries(new FormData(form)), answer: credential.toJSON() };
    const { to } = (await send(answer, told)) as { to: string };
    location.assign(to);
  } catch (error) {
    wrong.textContent = (error instanceof Refused ? refused : failed) || "";
    wrong.hidden = false;
    button.disabled = false;
  }
}

const able = "PublicKeyCredential" in window && "parseCreationOptionsFromJSON" in PublicKeyCredential;
for (const form of document.querySelectorAll<HTMLFormElement>("form[data-passkey]")) {
  form.hidden = !able;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void go(form);
  });
}
