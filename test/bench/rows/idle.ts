import { mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../../../hardware/simulators/free-port.ts'
import { Pty } from '../../../hardware/simulators/pty.ts'
import type { EdgeStatus } from '../../../src/cli/edge-status.ts'
import { pause, systemClock } from '../../../src/runtime/clock.ts'
import { until } from '../../support/until.ts'
import { cpuSeconds, rssMib, wakeUps } from '../process-figures.ts'
import { BenchProcess, coreConfig, edgeConfig, endAll } from '../processes.ts'
import type { Figure, Row } from '../row.ts'

const SOURCES = 4
const SETTLE_MS = { quick: 4_000, full: 8_000 }
const MEASURE_MS = { quick: 4_000, full: 30_000 }
const LIMIT_MS = 60_000

/** A gateway and a core that are connected and have nothing to do: how often they wake up, and what that costs. */
export const idle: Row = {
  name: 'idle',
  title: 'Nothing to do: wake-ups of an edge with four serial ports, and of its core',
  measure: async ({ kafka, folder, quick }) => {
    const own = mkdtempSync(join(folder, 'idle-'))
    const ptys = await Promise.all(Array.from({ length: SOURCES }, () => Pty.open()))
    const pipeline = join(own, 'pipeline.yaml')
    const sources = ptys.map(({ path }, index) => `  s-${index}: { serial: { path: ${path} } }\n`)
    writeFileSync(pipeline, `pipeline: idle\nsources:\n${sources.join('')}`)
    const port = await freePort()
    const core = new BenchProcess(own, { name: 'core', role: 'core', config: coreConfig(kafka.addresses, port) })
    const edge = new BenchProcess(own, { name: 'edge', role: 'edge', config: edgeConfig('idle', port, [pipeline]) })
    try {
      await core.start()
      await edge.start()
      await until('the link stands', async () => (await edge.status<EdgeStatus>())?.link.state === 'sending', LIMIT_MS)
      await pause(systemClock, quick ? SETTLE_MS.quick : SETTLE_MS.full)
      const both = { edge: edge.pid, core: core.pid }
      const look = () => Object.values(both).map(pid => ({ wakeUps: wakeUps(pid), cpu: cpuSeconds(pid) }))
      const before = look()
      const fromMs = performance.now()
      await pause(systemClock, quick ? MEASURE_MS.quick : MEASURE_MS.full)
      const seconds = (performance.now() - fromMs) / 1_000
      const after = look()
      const figures = Object.entries(both).flatMap(([role, pid], at): Figure[] => {
        const [from, to] = [before[at], after[at]]
        if (!from || !to) return []
        return [
          { name: `${role}, idle`, unit: 'wake-ups/s', values: [(to.wakeUps - from.wakeUps) / seconds] },
          { name: `${role}, idle`, unit: '% of a core', values: [((to.cpu - from.cpu) / seconds) * 100] },
          {
            name: `${role}, idle`,
            unit: 'MiB',
            values: [rssMib(pid)],
            aim: role === 'edge' ? { better: 'below', value: 80 } : undefined,
          },
        ]
      })
      return { figures }
    } finally {
      await endAll(edge, core)
      await Promise.all(ptys.map(pty => pty.close()))
    }
  },
}
