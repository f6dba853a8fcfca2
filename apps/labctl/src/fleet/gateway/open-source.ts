/** Whom a type of things is asked from: labd, or the gateway that runs on this machine. */
import type { LabdClient } from '../../client/labd-client.ts';
import type { World } from '../../command.ts';
import { dataOption } from '../../common-options.ts';
import type { AnyResource, Source } from '../resource.ts';

/** For commands that show things of any type. */
export const sourceOption = {
  data: { ...dataOption.data, help: 'data folder whose gateway tells keys and aliases; default ~/.labmesh' },
} as const;

export type SourceCall = {
  world: World;
  values: { readonly data?: string | undefined };
  labd: () => Promise<LabdClient>;
};

/**
 * Opened for the life of the command; a gateway asks for no login, only for the data folder it runs on.
 * @throws CommandError without a login, or when no gateway runs there
 */
export async function openSource({ from }: AnyResource, { world, values, labd }: SourceCall): Promise<Source> {
  if (from !== 'gateway') return labd();
  // Not loaded for what labd knows.
  const { RunningGateway } = await import('../../client/running-gateway.ts');
  return world.life.stack.use(new RunningGateway(values.data, world.env));
}
