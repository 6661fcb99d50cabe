// Components for airswasm in JavaScript and TypeScript.
//
// The host's functions are imported from the contract's interfaces, such as
// "airswasm:component/storage@0.1.0"; contract.d.ts describes them all. This module has what goes
// around them: the exports of a component, texts and bytes, and refusals.

const encoder = new TextEncoder();
const decoder = new TextDecoder();

// Returns a text as UTF-8.
export const bytes = (text) => encoder.encode(text);

// Returns UTF-8 as a text; undefined for what is not there.
export const text = (payload) => (payload === undefined ? undefined : decoder.decode(payload));

// Throw it to refuse a message with a text. Of other errors the log gets the stack, too.
export class Refusal extends Error {
  name = "Refusal";
}

// Returns the text of an error of the host, such as the line that grants a capability, or of any.
export function reason(error) {
  const { tag, val } = error?.payload ?? {};
  if (tag !== undefined) return typeof val === "string" ? val : tag;
  return error instanceof Refusal ? error.message : String(error);
}

// Returns the exports of a component, one for each guest interface. Export those that your world
// names:
//
//     export const { handler, lifecycle } = component({ init, handle, shutdown });
export function component({ init, handle, shutdown, callback, check, migrate }) {
  return {
    handler: {
      handleMessage: (sender, topic, payload) =>
        refusing(() => asBytes(handle({ sender, topic, payload }))),
    },
    lifecycle: {
      init: (config) => refusing(() => init?.(JSON.parse(config))),
      shutdown: () => shutdown?.(),
    },
    callbacks: { handleCallback: (id, outcome) => callback?.(id, outcome) },
    health: { check: () => refusing(() => check?.()) },
    migration: { migrate: (fromVersion) => refusing(() => migrate?.(fromVersion)) },
  };
}

function asBytes(reply) {
  return typeof reply === "string" ? bytes(reply) : reply;
}

// A string that is thrown is the error of the WIT's result.
function refusing(call) {
  try {
    return call();
  } catch (error) {
    if (!(error instanceof Refusal) && error?.payload?.tag === undefined) {
      console.error(`${error}\n${error?.stack ?? ""}`.trim());
    }
    throw reason(error);
  }
}
