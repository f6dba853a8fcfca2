import type { StartedProcess } from '../started-process.ts';

export const targetNames = ['direct', 'nginx', 'labmesh', 'portkey'] as const;
export type TargetName = (typeof targetNames)[number];

/** Something that the load generator can ask for chat completions. */
export type Target = {
  name: TargetName;
  /** With `/v1`. */
  url: string;
  /** Header lines, `Name: value`. */
  headers: string[];
  model: string;
  /** Root of the tree whose CPU and memory count. */
  process: StartedProcess;
  version: string;
};

/** Where targets run and what they relay to. `toml`: more of our settings. */
export type TargetSetup = { folder: string; core: number; upstreamPort: number; toml?: string };

const checkTimeoutMs = 20_000;

/** Asks once for an answer and once for a stream. Throws Error saying what came instead. */
export async function checkTarget(target: Target): Promise<void> {
  for (const stream of [false, true]) {
    const headers = target.headers.map((line) => line.split(': ', 2) as [string, string]);
    const response = await fetch(`${target.url}/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...Object.fromEntries(headers) },
      body: JSON.stringify({ model: target.model, messages: [{ role: 'user', content: 'hi' }], stream }),
      signal: AbortSignal.timeout(checkTimeoutMs),
    });
    const text = await response.text();
    const good = response.ok && (stream ? text.includes('data: [DONE]') : text.includes('"choices"'));
    if (!good)
      throw new Error(`${target.name} answered ${response.status}: ${text.slice(0, 300)}\n${target.process.errorTail}`);
  }
}
