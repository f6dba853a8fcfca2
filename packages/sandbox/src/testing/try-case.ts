import { sandboxJobSchema } from '@labmesh/wire/verification/sandbox';
import type { NamespaceHost } from '../namespace/namespace-host.ts';
import { runNamespace } from '../namespace/run-namespace.ts';
import { type EscapeCase, readRun } from './escape-case.ts';
import type { EscapeWorld } from './escape-world.ts';

/** Runs one case. Gives what is wrong, or undefined when the sandbox held. */
export async function tryCase(
  host: NamespaceHost,
  { job, meanwhile, fault }: EscapeCase,
  world: EscapeWorld,
): Promise<string | undefined> {
  const running = runNamespace(host, sandboxJobSchema.parse(job(world)), 'escape');
  const [result, seen] = await Promise.all([running, meanwhile?.(world)]);
  return seen ?? fault(readRun(result), world);
}
