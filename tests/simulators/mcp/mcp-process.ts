/** The simulated tool server as a process of its own: `bun mcp-process.ts` prints its address, then a line for each line. */
import { readLines } from '@labmesh/kit/line-splitter';
import { McpSimulator } from './mcp-simulator.ts';

if (import.meta.main) {
  await using server = new McpSimulator({ token: process.env['MCP_TOKEN'] ?? '', answers: 'events' });
  process.stdout.write(`${JSON.stringify({ url: server.url })}\n`);
  for await (const _ of console) process.stdout.write(`${JSON.stringify({ heard: server.heard })}\n`);
}

const lineBytesMost = 1024 * 1024;

/** A tool server that runs until disposed. */
export class McpProcess implements AsyncDisposable {
  readonly url: string;
  readonly #process: Bun.Subprocess<'pipe', 'pipe', 'inherit'>;
  readonly #lines: AsyncIterator<string>;

  private constructor(process: Bun.Subprocess<'pipe', 'pipe', 'inherit'>, lines: AsyncIterator<string>, url: string) {
    this.#process = process;
    this.#lines = lines;
    this.url = url;
  }

  /** @param token asked of every request */
  static async start(token: string): Promise<McpProcess> {
    const started = Bun.spawn([process.execPath, import.meta.path], {
      env: { ...process.env, MCP_TOKEN: token },
      stdin: 'pipe',
      stdout: 'pipe',
      stderr: 'inherit',
    });
    const lines = readLines(started.stdout, 'mcp.line_bytes', lineBytesMost);
    const { url } = (await said(lines)) as { url: string };
    return new McpProcess(started, lines, url);
  }

  /** What it was asked so far, as McpSimulator.heard. */
  async heard(): Promise<string[]> {
    void this.#process.stdin.write('heard\n');
    await this.#process.stdin.flush();
    return ((await said(this.#lines)) as { heard: string[] }).heard;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill();
    await this.#process.exited;
  }
}

async function said(lines: AsyncIterator<string>): Promise<unknown> {
  const { value, done } = await lines.next();
  if (done === true) throw new Error('the tool server ended');
  return JSON.parse(value);
}
