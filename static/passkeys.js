// Passkeys: <button hidden data-passkey="id of a form"> asks the form's data-options what to do, lets the browser do it (data-does:
// "get" to sign in, "create" to make one), puts the answer into its field "credential" and sends the form.
(() => {
  "use strict";
  const here = () => Boolean(window.PublicKeyCredential && navigator.credentials);
  const show = () => { if (here()) document.querySelectorAll("[data-passkey][hidden]").forEach((button) => { button.hidden = false; }); };

  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const named = (list) => (list || []).map((one) => ({ ...one, id: bytes(one.id) }));

  const asked = (told) => ({
    ...told,
    challenge: bytes(told.challenge),
    ...(told.user ? { user: { ...told.user, id: bytes(told.user.id) } } : {}),
    ...(told.excludeCredentials ? { excludeCredentials: named(told.excludeCredentials) } : {}),
    ...(told.allowCredentials ? { allowCredentials: named(told.allowCredentials) } : {}),
  });

  const answered = (made) => {
    const response = {};
    for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (made.response[name]) response[name] = text(made.response[name]);
    }
    return { id: made.id, rawId: text(made.rawId), type: made.type, response, clientExtensionResults: {} };
  };

  const say = (words) => {
    const place = document.getElementById("passkey-problem");
    place.textContent = words;
    place.hidden = !words;
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-passkey]");
    if (!button) return;
    const form = document.getElementById(button.dataset.passkey);
    button.disabled = true;
    say("");
    try {
      const headers = { "X-CSRF-Token": form.elements.csrf_token.value };
      const reply = await fetch(form.dataset.options, { method: "POST", headers });
      if (!reply.ok || !reply.headers.get("Content-Type").includes("json")) throw new Error("no options");
      const made = await navigator.credentials[form.dataset.does]({ publicKey: asked(await reply.json()) });
      form.elements.credential.value = JSON.stringify(answered(made));
      form.submit();
    } catch (problem) {
      const left = problem.name === "NotAllowedError" || problem.name === "AbortError";
      const kept = problem.name === "InvalidStateError";
      say(kept ? "This device keeps a passkey for you already." : left ? "Nothing was done: it was cancelled, or took too long. Try again." : "That did not work here. Load the page again, or sign in another way.");
    } finally {
      button.disabled = false;
    }
  });

  document.addEventListener("DOMContentLoaded", show);
  document.addEventListener("htmx:afterSettle", show);
})();
