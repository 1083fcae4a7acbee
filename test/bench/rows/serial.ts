import { mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../../../hardware/simulators/free-port.ts'
import { Pty } from '../../../hardware/simulators/pty.ts'
import type { EdgeStatus } from '../../../src/cli/edge-status.ts'
import { writeLines } from '../../source/serial-fleet.ts'
import { until } from '../../support/until.ts'
import { cpuSeconds, peakRssMib, rssMib } from '../process-figures.ts'
import { BenchProcess, coreConfig, edgeConfig, endAll } from '../processes.ts'
import type { BenchContext, Figure, Row } from '../row.ts'

/** Ports that together give five thousand lines a second. */
const PORTS = [1, 5, 25, 100]
const LINES_PER_SECOND = 5_000
/** First for so long that the code is compiled, then what is measured, s. */
const SECONDS = { quick: { first: 3, measured: 5 }, full: { first: 30, measured: 20 } }
const LIMIT_MS = 60_000
/** On two cores, of which the gateway may take a tenth. */
const CORES = 2
const AIM_PERCENT = 10
const AIM_MIB = 110

/** Devices on pseudo terminals before a real gateway, core and Kafka, at the durability that a pipeline has unless it says otherwise. */
export const serial: Row = {
  name: 'serial',
  title: 'Five thousand lines a second from serial ports: processor time and memory of the gateway',
  measure: async context => {
    const figures: Figure[] = []
    for (const ports of context.quick ? PORTS.slice(2, 3) : PORTS) figures.push(...(await measurePorts(context, ports)))
    return { figures }
  },
}

async function measurePorts({ kafka, folder, quick, say }: BenchContext, ports: number): Promise<Figure[]> {
  const own = mkdtempSync(join(folder, 'serial-'))
  const ptys = await Promise.all(Array.from({ length: ports }, () => Pty.open()))
  const pipeline = join(own, 'pipeline.yaml')
  const sources = ptys.map(({ path }, index) => `  device-${index}: { serial: { path: ${path}, baud: 115200 } }\n`)
  writeFileSync(pipeline, `pipeline: serial-${ports}\nsources:\n${sources.join('')}`)
  const port = await freePort()
  const core = new BenchProcess(own, { name: 'core', role: 'core', config: coreConfig(kafka.addresses, port) })
  const edge = new BenchProcess(own, {
    name: 'edge',
    role: 'edge',
    // What a gateway keeps is soon full, and what comes drives out what was: 64 MiB would not be within what is measured.
    config: `${edgeConfig(`serial-${ports}`, port, [pipeline])}buffer: { rewind: 1MiB }\n`,
  })
  const lines = async () => (await edge.status<EdgeStatus>())?.sources.reduce((sum, { settled }) => sum + settled, 0) ?? 0
  const speak = async (seconds: number) => {
    const before = await lines()
    const perPort = (LINES_PER_SECOND / ports) * seconds
    await writeLines(ptys, perPort, LINES_PER_SECOND / ports)
    await until('all lines are in Kafka', async () => (await lines()) === before + perPort * ports, LIMIT_MS)
  }
  try {
    await core.start()
    await edge.start()
    await until(
      'all ports are read, and the link stands',
      async () => {
        const status = await edge.status<EdgeStatus>()
        return status?.link.state === 'sending' && status.sources.every(({ state }) => state === 'reading')
      },
      LIMIT_MS,
    )
    const { first, measured } = quick ? SECONDS.quick : SECONDS.full
    await speak(first)
    const [fromMs, cpu] = [performance.now(), cpuSeconds(edge.pid)]
    await speak(measured)
    const percent = ((cpuSeconds(edge.pid) - cpu) / ((performance.now() - fromMs) / 1_000)) * (100 / CORES)
    const [mib, peakMib] = [rssMib(edge.pid), peakRssMib(edge.pid)]
    say(`${ports} ports: ${percent.toFixed(1)} % of two cores, ${mib.toFixed(0)} MiB, ${peakMib.toFixed(0)} at most`)
    const name = `${ports} ports, edge`
    return [
      { name, unit: '% of two cores', values: [percent], aim: { better: 'below', value: AIM_PERCENT } },
      { name, unit: 'MiB', values: [mib], aim: { better: 'below', value: AIM_MIB } },
      // That of its start: the code of a checkout is made as it is read.
      { name, unit: 'MiB at most', values: [peakMib] },
    ]
  } finally {
    await endAll(edge, core)
    await Promise.all(ptys.map(pty => pty.close()))
  }
}
