import type { Endpoint } from '@labmesh/inference/registry/endpoint';
import type { Registry } from '@labmesh/inference/watch/registry';

/** Waits until the endpoint was looked at once and lists models, or is known to be bad; at most `timeoutMs`. */
export async function waitForState(registry: Registry, endpoint: Endpoint, timeoutMs: number): Promise<void> {
  const known = () => endpoint.models.size > 0 || (endpoint.state !== 'unknown' && endpoint.state !== 'healthy');
  if (known()) return;
  await new Promise<void>((resolve) => {
    const done = () => {
      stop();
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(done, timeoutMs);
    const stop = registry.onChange(() => {
      if (known()) done();
    });
  });
}
