import { openStore } from '@labmesh/store/open-store';
import { systemClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import { mkdtempSync, rmSync } from 'node:fs';
import { openAuditLog } from '../audit-log.ts';
import { plainSealer, entry } from './audit-bench.ts';
const dir = mkdtempSync('/tmp/access/b-');
const N = Number(process.argv[2] ?? 50000);
const more = { resource:'servers/web-1', resourceId:'01900000-0000-7000-8000-000000000001', session:'01900000-0000-7000-8000-000000000001', sourceIp:'10.0.0.1', requestId:'req_0123456789abcdef0123456789abcdef', durationMs: 3, details:{argv:['ls','-l','/var/log'], tty:null, bytes:{in:0,out:12345,err:0}} };
async function run(name:string, options:object, conc:number, n:number) {
  await using store = await openStore({ url: await (await import('../../fresh.ts')).fresh() });
  let groups=0;
  await using log = await openAuditLog({ store, secrets: plainSealer, chain: name, clock: systemClock, log: silentLogger, options: {...options, onCommit(){groups++}} });
  const lat:number[]=[]; let worst=0, last=performance.now(); 
  const timer=setInterval(()=>{const t=performance.now(); worst=Math.max(worst,t-last-5); last=t},5);
  const t0=performance.now(); let left=n;
  await Promise.all(Array.from({length:conc}, async()=>{ while(left-- > 0){ const s=performance.now(); await log.append(entry('exec.open', more)); lat.push(performance.now()-s);} }));
  const ms=performance.now()-t0; clearInterval(timer); lat.sort((a,b)=>a-b);
  console.log(name.padEnd(10), `${Math.round(n/ms*1000)} rows/s`, `groups ${groups}`, `p50 ${lat[lat.length>>1].toFixed(2)} p99 ${lat[Math.floor(lat.length*.99)].toFixed(2)} ms, loop stall max ${worst.toFixed(1)} ms`);
}
await run('c1', {}, 1, 2000);
await run('c10', {}, 10, 5000);
await run('c100', {}, 100, N);
await run('c1000', {}, 1000, N);
await run('c5000', {}, 5000, N);
// single rows: a transaction each
{ const { AuditKeys } = await import('../audit-keys.ts'); const { hashRow, firstPrevHash, toTableRow } = await import('../audit-row.ts'); const { cleanEntry } = await import('../clean-entry.ts'); const { insertRows } = await import('../audit-store.ts'); const { uuidv7 } = await import('@labmesh/wire/ids'); const { system } = await import('@labmesh/wire/fleet/principal');
  await using store = await openStore({ url: await (await import('../../fresh.ts')).fresh() });
  const keys = await AuditKeys.open(store, plainSealer, Date.now()); let hash=firstPrevHash('s'); const k=keys.current(); const n=3000; const t0=performance.now();
  for (let seq=1; seq<=n; seq++) { const f={...cleanEntry(entry('exec.open', more)), seq, chain:'s', keyId:k.id, at:Date.now()}; const prevHash=hash; hash=hashRow(k.bytes, prevHash, f); const row=toTableRow(uuidv7(), {...f, prevHash, hash}); await store.write(system('audit'), tx=>insertRows(tx,[row])); }
  console.log('single rows', Math.round(n/(performance.now()-t0)*1000), 'rows/s');
}
rmSync(dir,{recursive:true});
