/**
 * Everything that can be told of the settings before anything is opened or made: by `check-config`, and again by every
 * start, so that a labd that cannot work leaves no schema, key or CA behind (LD-8). What only the world can tell (a
 * database that is away, a port that is taken) is not looked at.
 */
import type { Clock } from '@labmesh/kit/clock';
import { openSinks } from '../audit/sinks/open-sink.ts';
import { caOptions } from '../ca/ca-options.ts';
import { oidcSettings } from '../login/oidc/oidc-settings.ts';
import { type CertificateFiles, readCertificateFiles } from '../settings/certificate-files.ts';
import { planGround } from '../settings/ground.ts';
import type { LabdOptions } from '../settings/labd-options.ts';
import { asSetting } from '../settings/wrong-setting.ts';
import { hubReach } from '../tunnel/hub-reach.ts';
import { checkRecordings } from './compose-recordings.ts';

/** Writes nothing; gives the certificates that it read. @throws OptionsError, StoreStartError or AuthorityRefused (exit 3), naming the key */
export function checkSettings(options: LabdOptions, clock: Clock): CertificateFiles {
  planGround(options);
  const certificates = readCertificateFiles(options);
  caOptions({ trustDomain: options.trustDomain });
  asSetting('login', () => oidcSettings(options));
  asSetting('audit.sinks', () => openSinks(options.auditSinks, clock));
  asSetting('recordings.url', () => checkRecordings(options));
  if (options.tunnelEnabled) hubReach(options);
  return certificates;
}
