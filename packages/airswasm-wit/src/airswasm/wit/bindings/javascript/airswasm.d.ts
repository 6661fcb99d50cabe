// Components for airswasm in JavaScript and TypeScript; see airswasm.js.
/// <reference path="./contract.d.ts" />

import type { MessagingError } from "airswasm:component/messaging@0.1.0";

export interface Message {
  /** The sender's name, namespace/name, or host. */
  sender: string;
  /** Set where the message was published rather than sent. */
  topic: string | undefined;
  payload: Uint8Array;
}

export type Outcome =
  | { tag: "ok"; val: Uint8Array | undefined }
  | { tag: "err"; val: MessagingError };

export interface Functions {
  /** Called once, before the first message, with the [config] table. */
  init?(config: Record<string, unknown>): void;
  /** Handles one message; nothing acknowledges it, an error refuses it. */
  handle(message: Message): string | Uint8Array | undefined | void;
  /** Called once, after the last message; not after a crash. */
  shutdown?(): void;
  /** Delivers the outcome of a request. */
  callback?(request: bigint, outcome: Outcome): void;
  /** The component's own view of whether it works. */
  check?(): void;
  /** Takes over what an earlier version stored. */
  migrate?(fromVersion: string): void;
}

/** The exports of a component: export those that your world names. */
export interface Exports {
  handler: {
    handleMessage(
      sender: string,
      topic: string | undefined,
      payload: Uint8Array,
    ): Uint8Array | undefined;
  };
  lifecycle: { init(config: string): void; shutdown(): void };
  callbacks: { handleCallback(id: bigint, outcome: Outcome): void };
  health: { check(): void };
  migration: { migrate(fromVersion: string): void };
}

export function component(functions: Functions): Exports;

/** Throw it to refuse a message with a text. */
export class Refusal extends Error {}

/** The text of an error, such as the line that grants a capability. */
export function reason(error: unknown): string;

export function bytes(text: string): Uint8Array;
export function text(payload: Uint8Array): string;
export function text(payload: Uint8Array | undefined): string | undefined;
