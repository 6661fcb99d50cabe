// A guest in JavaScript, as componentize-js takes it.
import { reverse } from "test:languages/host";
import { getArguments, getEnvironment } from "wasi:cli/environment@0.2.3";

export const echo = (data) => data;
export const relay = (data) => reverse(data);
export const say = (line) => console.log(line);
export const now = () => BigInt(Date.now());
export const random = () => crypto.getRandomValues(new BigUint64Array(1))[0];
export const variable = (name) => Object.fromEntries(getEnvironment())[name] ?? "";
export const commandLine = () => getArguments().join(" ");
export const nap = async (ms) => {
  await new Promise((wake) => setTimeout(wake, ms));
};

function unlucky(numbers, at) {
  if (!(at in numbers)) throw new RangeError(`no number ${at}`);
  return numbers[at];
}
export const fail = (at) => unlucky([1, 2, 3], at);
