/** Services on a host that tell whom they served. */
import { JsonProcess } from '../tunnel/json-process.ts';
import type { TunnelHost } from './tunnel-host.ts';

const program = new URL('./open-services.ts', import.meta.url).pathname;

export class WatchedServices implements AsyncDisposable {
  readonly #process: JsonProcess;

  private constructor(process: JsonProcess) {
    this.#process = process;
  }

  /** @param services `tcp/ADDRESS/PORT` or `udp/ADDRESS/PORT`. */
  static async start(host: TunnelHost, services: readonly string[]): Promise<WatchedServices> {
    const process_ = new JsonProcess(host.command([process.execPath, program, ...services]));
    await process_.next();
    return new WatchedServices(process_);
  }

  /** Whom they served since the last time. */
  async served(): Promise<string[]> {
    return (await this.#process.ask({})).served as string[];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
  }
}
