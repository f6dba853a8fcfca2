/** What one check found. `fix` is the way out, there for everything that is not ok. */
export type Finding = { name: string; state: 'ok' | 'warn' | 'fail'; text: string; fix?: string };

export const okay = (name: string, text: string): Finding => ({ name, state: 'ok', text });
export const warning = (name: string, text: string, fix: string): Finding => ({ name, state: 'warn', text, fix });
export const failing = (name: string, text: string, fix: string): Finding => ({ name, state: 'fail', text, fix });
