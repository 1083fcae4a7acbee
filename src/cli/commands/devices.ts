import { Command, InvalidArgumentError } from 'commander'
import type { GatewayProfile } from '../../config/gateway-profile.ts'
import { durationText, parseDurationMs } from '../../runtime/units.ts'
import type { Found, LineSettings } from '../../source/probe.ts'
import type { SerialPortInfo } from '../../source/serial-ports.ts'
import { durationOption } from '../arguments.ts'
import { EXIT, print, printJson, table } from '../output.ts'

export function devicesCommand(): Command {
  const command = new Command('devices')
    .description('Lists the serial ports of this machine, with what is known of them.')
    .option('--gateway <profile>', 'adds what is known of this gateway: a profile in hardware/gateways/')
    .option('--json', 'for programs')
    .addHelpText(
      'after',
      '\nExamples:\n  headrace devices\n  headrace devices --gateway moxa-uc-8200\n  headrace devices probe /dev/ttyUSB0',
    )
    .action(async (options: { gateway?: string; json?: true }) => {
      const { listSerialPorts } = await import('../../source/serial-ports.ts')
      const { loadGateway } = await import('../../config/gateway-profile.ts')
      const gateway = options.gateway === undefined ? undefined : loadGateway(options.gateway)
      const ports = listSerialPorts()
      if (options.json) {
        printJson({ ports, gateway: gateway ?? null })
        return
      }
      print(ports.length === 0 ? 'No serial ports are there.' : portTable(ports))
      if (!gateway) return
      print(`\n${gateway.gateway}`)
      print(
        table(
          ['port', 'is', 'RS-485'],
          gateway.serial.map(({ path, is, rs485 }) => [path, is, rs485]),
        ),
      )
      print(factsOf(gateway).join('\n'))
    })
  command.addCommand(probeCommand())
  return command
}

function factsOf({ watchdog, storage, clock, wiring, unconfirmed }: GatewayProfile): string[] {
  return [
    `watchdog    ${watchdog.device ?? 'none'}: ${watchdog.note}`,
    `storage     ${storage.kind}, durability ${durationText(storage.durability)}: ${storage.note}`,
    `clock       battery: ${clock.battery}; ${clock.note}`,
    ...wiring.map(note => `wiring      ${note}`),
    ...unconfirmed.map(note => `unconfirmed ${note}`),
  ]
}

function portTable(ports: readonly SerialPortInfo[]): string {
  const rows = ports.map(({ path, stable, driver, usb }) => [
    path,
    driver ?? '-',
    usb ? `${usb.maker ?? usb.vendor} ${usb.name ?? usb.product}${usb.serial === null ? '' : ` (${usb.serial})`}` : 'built in',
    stable === path ? '-' : stable,
  ])
  return table(['port', 'driver', 'is', 'name that survives replugging'], rows)
}

function probeCommand(): Command {
  return new Command('probe')
    .description('Listens on a port with one line setting after another, and prints the YAML that fits.')
    .argument('<port>', 'device file')
    .addOption(durationOption('--listen <duration>', 'how long each setting is listened to', listenArgument, 3_000))
    .option(
      '--ask',
      'also asks a silent device: Modbus units 1 to 8, Q1, SI, and calls a meter at 300 baud. Do not where commands could move something.',
    )
    .option('--json', 'for programs')
    .action(async (path: string, { listen, ask, json }: { listen: number; ask?: true; json?: true }) => {
      const { probePort } = await import('../../source/probe.ts')
      const onAttempt = (settings: LineSettings, heard: number) =>
        process.stderr.write(`${settings.baud} ${settings.data_bits} ${settings.parity}: ${heard} bytes\n`)
      const found = await probePort({ path, listenMs: listen, mayAsk: ask === true, onAttempt })
      if (!found) {
        process.stderr.write(`headrace: nothing that makes sense was heard on ${path}\n`)
        process.stderr.write(
          ask ? 'Look at the wiring: A and B, RX and TX.\n' : 'A device that speaks only when asked is found with --ask.\n',
        )
        process.exitCode = EXIT.failed
      } else if (json) printJson(found)
      else print(yamlOf(path, found))
    })
}

/** What goes into a pipeline file. */
export function yamlOf(path: string, found: Found): string {
  const { baud, parity, data_bits } = found.settings
  const line = `baud: ${baud}${parity === 'none' ? '' : `, parity: ${parity}`}`
  const bits = data_bits === 8 ? '' : `, data_bits: ${data_bits}`
  const head = (comment: string) => `# ${comment}\npipeline: found\nsources:\n  device-1:`
  switch (found.kind) {
    case 'speaks': {
      const { what, frame, decode, good, all, sample } = found.guess
      const lines = [
        head(`${what}: ${good} of ${all} records were read, such as ${sample}`),
        `    serial: { path: ${path}, ${line}${bits} }`,
      ]
      if (frame !== undefined) lines.push(`    frame: ${frame}`)
      return [...lines, `    decode: ${decode}`].join('\n')
    }
    case 'modbus':
      return [
        head(
          `Modbus RTU: unit ${found.unit} answers. Put the name of its own profile in the place of this one: see hardware/README.md.`,
        ),
        `    modbus: { rtu: { path: ${path}, ${line} }, unit: ${found.unit}, device: eastron-sdm120 }`,
      ].join('\n')
    case 'answers':
      return [
        head(`It answers ${JSON.stringify(found.request)} with ${JSON.stringify(found.sample)}`),
        `    serial: { path: ${path}, device: ${found.device}, ${line}${bits} }`,
      ].join('\n')
  }
}

function listenArgument(text: string): number {
  const ms = parseDurationMs(text)
  if (ms === undefined || ms < 100 || ms > 60_000)
    throw new InvalidArgumentError('Write a duration such as 3s, from 100ms to 60s.')
  return ms
}
