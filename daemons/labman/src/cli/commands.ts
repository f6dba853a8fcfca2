/** The commands of `labman` by their words, each with its line of help. */
import { check, pre } from './check-tunnel.ts';
import { join } from './join.ts';
import { post } from './post.ts';
import { exportKeys } from './tunnel/export-keys.ts';
import { importKeys } from './tunnel/import-keys.ts';
import { exchange, rotate, status, trust } from './tunnel/node-verbs.ts';
import { fingerprint, keygen } from './tunnel/own-key-verbs.ts';
import { plan } from './tunnel/plan-tunnel.ts';
import { show } from './tunnel/show-tunnel.ts';
import type { Verb } from './verb.ts';

export type Command = {
  run: Verb;
  /** What may stand behind it. */
  takes?: string;
  about: string;
};

export const commands: Readonly<Record<string, Command>> = {
  join: { run: join, about: 'take the onboarding string of a Conplane: settings and token file' },
  pre: { run: pre, about: 'before labmand starts: what is missing, exit 5 (for ExecStartPre)' },
  post: { run: post, about: 'after labmand ended: remove what a killed one left (for ExecStopPost)' },
  'tunnel status': {
    run: status,
    about: 'whether the traffic is post-quantum at this moment; --check for the exit code',
  },
  'tunnel show': { run: show, about: 'the device, its addresses and routes as the kernel has them' },
  'tunnel plan': { run: plan, about: 'what opening the tunnel would do; nothing is changed' },
  'tunnel check': {
    run: check,
    about: 'what keeps this node from its hub, each with its fix; exit 1 if anything does',
  },
  'tunnel exchange': { run: exchange, about: 'one key exchange now' },
  'tunnel fingerprint': { run: fingerprint, takes: '[FILE]', about: 'of the own keys, or of a public key in a file' },
  'tunnel trust': { run: trust, takes: 'SHA256', about: 'let the hub show this key from now on' },
  'tunnel rotate': { run: rotate, about: 'another Rosenpass pair for this node; no stream breaks' },
  'tunnel keygen': { run: keygen, about: 'make both pairs; --force replaces them, and the hub has to let them in' },
  'tunnel import': { run: importKeys, takes: 'PATH', about: 'keys of rp (its folder or file) or of a rosenpass.toml' },
  'tunnel export': { run: exportKeys, about: 'the keys as --format rp, toml or wg-conf into --out DIR' },
};

/** Below the options. */
export function commandsHelp(): string {
  const rows = Object.entries(commands).map(([words, { takes, about }]) => {
    const left = takes === undefined ? words : `${words} ${takes}`;
    return `  ${left.padEnd(25)} ${about}`;
  });
  return `Commands:\n${rows.join('\n')}\n`;
}
