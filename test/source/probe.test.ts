import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { IEC62056_METER } from '../../hardware/simulators/iec62056-meter.ts'
import { WELL_BEHAVED } from '../../hardware/simulators/mischief.ts'
import { startSimulator } from '../../hardware/simulators/start.ts'
import { yamlOf } from '../../src/cli/commands/devices.ts'
import { probePort } from '../../src/source/probe.ts'

test('a meter that waits to be called is found where a port may be asked, at the speed at which it hears', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'headrace-probe-'))
  const link = join(folder, 'meter')
  const device = await startSimulator(IEC62056_METER, { link, perSecond: 1, mischief: WELL_BEHAVED })
  try {
    const tried: number[] = []
    const onAttempt = ({ baud }: { baud: number }) => tried.push(baud)
    const found = await probePort({ path: link, listenMs: 50, mayAsk: true, onAttempt })
    expect(tried).toEqual([9_600, 300])
    expect(found).toMatchObject({ kind: 'answers', sample: '/ELS5\\2MT174-0001' })
    if (!found) return
    expect(yamlOf(link, found)).toContain(
      `serial: { path: ${link}, device: iec62056-meter, baud: 300, parity: even, data_bits: 7 }`,
    )
  } finally {
    await device.stop()
    rmSync(folder, { recursive: true, force: true })
  }
})
