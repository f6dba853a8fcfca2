import type { Endpoint } from '@labmesh/inference/registry/endpoint';
import { productVersion } from '../../product-version.ts';
import type { Running } from '../compose.ts';
import type { FleetFacts, ReadyFacts } from './ready-screen.ts';

/** Where an endpoint lives. The engine's own address would only mislead: it has a key of its own. */
export function placeOf({ spec }: Endpoint): string {
  return spec.origin === 'builtin' ? '(built-in engine)' : spec.baseUrl;
}

/** Servers of the settings file that cannot be used now: silence about them would read as "all is well". */
function downNotes(registry: Running['registry']): string[] {
  return registry.endpoints
    .filter((endpoint) => !registry.usable(endpoint))
    .map((endpoint) => {
      const reason = endpoint.reason === undefined ? '' : ` (${endpoint.reason})`;
      return `${endpoint.spec.name} at ${placeOf(endpoint)} is ${endpoint.state}${reason}; it joins when it answers`;
    });
}

/** Gathers what the ready screen shows. */
export function readyFacts({ gateway, fleet, registry, notes }: Running): ReadyFacts {
  return {
    api: gateway?.api,
    key: gateway?.firstKey ?? { text: '', file: '', created: false },
    models: gateway?.models() ?? [],
    places: new Map(registry.endpoints.map((endpoint) => [endpoint.spec.name, placeOf(endpoint)])),
    fleet: fleet satisfies FleetFacts | undefined,
    notes: [...notes, ...downNotes(registry)],
    wildcard: gateway?.isWildcard ?? false,
    version: productVersion,
    startedInMs: performance.now(),
  };
}

/** The one line of `--json`: models with the names of their endpoints. The key is null when none is needed. */
export function readyLine({ gateway, fleet, registry, notes: given }: Running): string {
  const notes = [...given, ...downNotes(registry)];
  const ready = {
    ready: true,
    ...(gateway !== undefined && { api: gateway.api, key: gateway.firstKey.text || null, models: gateway.models() }),
    ...(fleet !== undefined && {
      fleet: {
        api: fleet.api,
        agents: fleet.agents,
        server: fleet.server ?? null,
        context: fleet.context?.name ?? null,
      },
    }),
    ...(notes.length > 0 && { notes }),
  };
  return `${JSON.stringify(ready)}\n`;
}
