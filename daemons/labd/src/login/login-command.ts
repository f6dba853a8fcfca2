/** Command lines that an answer shows for copying into a shell. */

/** A word as a POSIX shell reads it back, whatever is in it. */
export const shellWord = (text: string): string =>
  /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;

/** Pipes a secret in, so that it stands in no process list: `printf` is built into every shell. */
export const withSecretOnStdin = (secret: string, command: string): string =>
  `printf %s ${shellWord(secret)} | ${command}`;

export type LoginTarget = { publicUrl: string; pin: string };

/** `printf %s 'lmu_…' | labctl login https://… --ca-pin sha256:… --token-file -` */
export const loginCommand = ({ publicUrl, pin }: LoginTarget, token: string): string =>
  withSecretOnStdin(token, `labctl login ${shellWord(publicUrl)} --ca-pin ${shellWord(pin)} --token-file -`);
