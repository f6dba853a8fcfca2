import type { LabdOptions } from '../settings/labd-options.ts';
import { wrongSetting } from '../settings/wrong-setting.ts';

/** Where the hub listens, and the host that nodes dial. @throws OptionsError (exit 3) when it cannot be reached so */
export function hubReach(options: LabdOptions): { listen: readonly string[]; endpoint: string } {
  const fault = (key: string, what: string) =>
    wrongSetting(key, `${what}, since conplane.tunnel.enabled opens UDP ports`);
  const { tunnelListen: listen, tunnelEndpoint: endpoint, tunnelListenPort, tunnelRosenpassPort } = options;
  if (listen.length === 0) throw fault('conplane.tunnel.listen', 'is needed: the addresses to listen on');
  if (endpoint === undefined) throw fault('conplane.tunnel.endpoint', 'is needed: the host that nodes dial');
  if (tunnelListenPort === tunnelRosenpassPort) {
    throw fault('conplane.tunnel.rosenpass_port', 'must differ from listen_port');
  }
  return { listen, endpoint };
}
