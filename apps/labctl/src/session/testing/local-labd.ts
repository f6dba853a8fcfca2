/** A labd on a unix socket, with the agent's own code behind it: for labctl as a process. */
import { createServer } from 'node:http';
import { openExec } from '@labmesh/agent/exec/run-exec';
import { openCopy } from '@labmesh/agent/copy/run-copy';
import type { ExecSession } from '@labmesh/agent/exec/exec-session';
import { openAttach } from '@labmesh/agent/exec/run-exec';
import { openForward } from '@labmesh/agent/forward/run-forward';
import { openLogs } from '@labmesh/agent/logs/run-logs';
import { Refused, type SessionRun } from '@labmesh/agent/session-run';
import { testWorld } from '@labmesh/agent/testing/client';
import { upgradeToFrames } from '@labmesh/link/ws-socket';
import type { Open } from '@labmesh/wire/frame/open';
import { MemoryLabd } from './memory-labd.ts';

export type ApiAnswer = { status?: number; json?: unknown; text?: string };

export class LocalLabd implements AsyncDisposable {
  readonly sockets: MemoryLabd;
  /** Every request that was no WebSocket: `POST /api/…`. */
  readonly asked: string[] = [];
  /** By method and path. */
  answer: (request: string, body: string) => ApiAnswer = () => ({ status: 404, json: {} });
  readonly #http = createServer();
  readonly #commands = new Map<string, ExecSession>();
  readonly #world = testWorld({ logPaths: ['/tmp/**', '/var/log/**'] });

  constructor() {
    this.sockets = new MemoryLabd(async (open, accept) => {
      try {
        const run = await this.#open(open);
        const end = accept(run.answer);
        if (open.kind === 'exec') this.#commands.set(end.session, run as ExecSession);
        void run.run(end);
      } catch (error) {
        if (error instanceof Refused) return { reason: error.reason, text: error.message };
        throw error;
      }
    });
    this.#http.on('upgrade', (request, socket, head) => {
      upgradeToFrames(request, socket, head, (frames) => this.sockets.serve(frames));
    });
    this.#http.on('request', (request, response) => {
      let body = '';
      request.on('data', (part: Buffer) => (body += part.toString()));
      request.on('end', () => {
        const asked = `${request.method} ${request.url}`;
        this.asked.push(asked);
        const { status = 200, json, text } = this.answer(asked, body);
        response.writeHead(status, { 'content-type': 'application/json' }).end(text ?? JSON.stringify(json));
      });
    });
  }

  async #open(open: Open): Promise<SessionRun> {
    const world = this.#world;
    if (open.kind === 'exec') return openExec(open, world);
    if (open.kind === 'attach') return openAttach(open, this.#commands.get(open.target));
    if (open.kind === 'copy-in' || open.kind === 'copy-out') {
      return openCopy(open, { accounts: world.accounts, options: world.options });
    }
    if (open.kind === 'forward') return openForward({ ...open, host: '127.0.0.1' });
    if (open.kind === 'logs') return openLogs(open, world);
    throw new Refused('denied', 'not here');
  }

  listen(path: string): Promise<void> {
    return new Promise((resolve) => this.#http.listen(path, resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const command of this.#commands.values()) command.end();
    this.sockets.cut();
    this.#http.closeAllConnections();
    this.#http.close();
  }
}
