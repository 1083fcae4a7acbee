import { z } from 'zod'
import type { Fields } from '../record/fields.ts'
import { pause } from '../runtime/clock.ts'
import { messageOf } from '../runtime/errors.ts'
import { duration } from '../runtime/units.ts'
import { factsOf, fieldOf, type Readings } from './linux/attribute.ts'
import { readDisk, readLoad, readMemory, readNetwork } from './linux/machine.ts'
import { readHwmon, readIio, readThermal } from './linux/sensors.ts'
import { LoopingSource } from './looping-source.ts'
import { defineSource, type SourceContext } from './source.ts'

const PARTS = {
  hwmon: (root: string) => readHwmon(root),
  thermal: (root: string) => readThermal(root),
  iio: (root: string) => readIio(root),
  disk: (root: string, mounts: readonly string[]) => readDisk(root, mounts),
  network: (root: string) => readNetwork(root),
  memory: (root: string) => readMemory(root),
  load: (root: string) => readLoad(root),
} as const
type PartName = keyof typeof PARTS
const PART_NAMES = Object.keys(PARTS) as [PartName, ...PartName[]]

export const linuxOptions = z.strictObject({
  read: z
    .array(z.enum(PART_NAMES))
    .min(1)
    .default(PART_NAMES)
    .describe('What is read; each value is a field that begins with this name.'),
  every: duration({ min: '50ms', max: '1d' }).default(10_000).describe('How often; each round is one record.'),
  mounts: z.array(z.string().startsWith('/')).max(100).default(['/']).describe('With disk: file systems whose room is read.'),
  root: z
    .string()
    .min(1)
    .default('/')
    .describe('Where /sys and /proc are found: in a container, where those of the host are mounted.'),
})
export type LinuxOptions = z.output<typeof linuxOptions>

/** Everything that is read in one round, under the names of its parts. */
export function readLinux({ read, root, mounts }: Pick<LinuxOptions, 'read' | 'root' | 'mounts'>): Readings {
  const all: Readings = {}
  for (const part of read) {
    for (const [name, value] of Object.entries(PARTS[part](root, mounts)))
      all[part === 'load' ? name : fieldOf(part, name)] = value
  }
  return all
}

/** The fields that one round has now; none where it fails, as the source says by itself then. */
function linuxFields(options: LinuxOptions): Fields {
  try {
    return Object.fromEntries(Object.keys(readLinux(options)).map(name => [name, factsOf(name)]))
  } catch {
    return {}
  }
}

/** Looks at this machine at intervals. What is not there, or has nothing to say now, is left out. */
class LinuxSource extends LoopingSource {
  readonly #options: LinuxOptions
  readonly #context: SourceContext

  constructor(options: LinuxOptions, context: SourceContext) {
    super()
    this.#options = options
    this.#context = context
  }

  protected override async run(): Promise<void> {
    const { clock } = this.#context
    const { signal } = this.stopping
    let dueMs = clock.monotonicMs()
    while (!signal.aborted) {
      await this.gate.passed()
      if (signal.aborted) return
      this.#round()
      dueMs = Math.max(dueMs + this.#options.every, clock.monotonicMs())
      this.#context.turn(dueMs - clock.monotonicMs())
      await pause(clock, dueMs - clock.monotonicMs(), signal).catch(() => {})
    }
  }

  #round(): void {
    try {
      const timeMs = this.#context.clock.wallMs()
      const readings = readLinux(this.#options)
      if (Object.keys(readings).length === 0) {
        this.#context.state('waiting', `nothing of ${this.#options.read.join(', ')} is there`)
        return
      }
      this.#context.state('reading')
      this.#context.message(Buffer.from(JSON.stringify(readings)), timeMs)
    } catch (error) {
      this.#context.trouble('a round failed')
      this.#context.state('waiting', messageOf(error))
    }
  }
}

/** Sensors and counters of the machine itself. */
export const linux = defineSource({
  kind: 'linux',
  summary: "Reads the machine's own sensors and counters: hwmon, thermal zones, IIO, disks, network, memory, load.",
  notes:
    "Tested live where a virtual machine has them (disk, network, memory, load); hwmon, thermal zones and IIO on trees of files made after the kernel's documentation. Temperatures are in °C, voltages V, currents A, power W; what IIO gives is in the units of its documentation. The registry has the fields, with their units, that are there when the source starts.",
  options: linuxOptions,
  gives: 'messages',
  whenFull: 'drop_oldest',
  rate: ({ every }) => 1_000 / every,
  fieldsHere: linuxFields,
  open: (options, context) => new LinuxSource(options, context),
})
