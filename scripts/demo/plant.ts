import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startGps } from '../../hardware/simulators/gps.ts'
import { startLineDevice } from '../../hardware/simulators/line-device.ts'
import { startModbusMeter } from '../../hardware/simulators/modbus-meter.ts'
import type { Simulator } from '../../hardware/simulators/simulator.ts'

const LINES_PER_SECOND = 10
const FIXES_PER_SECOND = 1

/** The simulated devices of the demonstration and the pipeline file that reads them. */
export interface Plant {
  readonly pipelinePath: string
  readonly outputDir: string
  readonly alertsPath: string
  readonly devices: readonly { readonly source: string; readonly what: string; readonly path: string }[]
  stop(): Promise<void>
}

export async function startPlant(folder: string): Promise<Plant> {
  const devDir = join(folder, 'dev')
  const outputDir = join(folder, 'batches')
  const alertsPath = join(folder, 'alerts.ndjson')
  for (const path of [devDir, outputDir]) mkdirSync(path, { recursive: true })
  const running: Simulator[] = []
  const started = async (simulator: Promise<Simulator>) => {
    const device = await simulator
    running.push(device)
    return device.path
  }
  const stop = async () => {
    await Promise.all(running.map(device => device.stop()))
  }
  try {
    // The links stay the same from one start to the next, as those in /dev/serial/by-id do.
    const compressor = join(devDir, 'compressor')
    const gps = join(devDir, 'gps')
    const compressorPty = await started(startLineDevice({ link: compressor, linesPerSecond: LINES_PER_SECOND }))
    const gpsPty = await started(startGps({ link: gps, fixesPerSecond: FIXES_PER_SECOND }))
    const meter = await started(startModbusMeter())
    const pipelinePath = join(folder, 'plant.yaml')
    writeFileSync(pipelinePath, pipelineText({ compressor, gps, meter, outputDir, alertsPath }))
    const devices = [
      { source: 'compressor', what: 'CSV lines', path: compressorPty },
      { source: 'gps', what: 'NMEA 0183', path: gpsPty },
      { source: 'meter', what: 'Modbus TCP', path: meter },
    ]
    return { pipelinePath, outputDir, alertsPath, devices, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

function pipelineText(paths: { compressor: string; gps: string; meter: string; outputDir: string; alertsPath: string }): string {
  const quoted = (text: string) => JSON.stringify(text)
  // The file appears under its name only when it is whole, and the same run writes the same file again.
  const toFile = 'cat > "$OUT/.$HEADRACE_RUN_ID" && mv "$OUT/.$HEADRACE_RUN_ID" "$OUT/$HEADRACE_RUN_ID.ndjson"'
  return `# Written anew at each start of the demonstration.
pipeline: plant
durability: 50ms
sources:
  compressor:
    serial: { path: ${quoted(paths.compressor)}, baud: 9600 }
    frame: { delimiter: "\\r\\n", max_bytes: 1024 }
    decode: { csv: [suction_bar, discharge_bar, oil_c] }
  gps:
    serial: { path: ${quoted(paths.gps)}, baud: 4800 }
    decode: nmea
  meter:
    modbus: { tcp: "${paths.meter}", unit: 1, device: eastron-sdm120, every: 250ms }
batch:
  to-file:
    schedule: "*/10 * * * * *"
    input: ndjson
    run: [sh, -c, ${quoted(toFile)}]
    environment: { OUT: ${quoted(paths.outputDir)} }
analysers:
  oil-too-hot:
    sources: [compressor]
    every: 2s
    when: avg(oil_c) > 90
    clear_when: max(oil_c) < 88
    alert: { command: [sh, -c, 'cat >> "$0"', ${quoted(paths.alertsPath)}] }
`
}
