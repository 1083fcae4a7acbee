import { Command, InvalidArgumentError } from 'commander'
import { createLogger } from '../../runtime/logger.ts'
import { portArgument, wholeNumber } from '../arguments.ts'
import { print } from '../output.ts'
import { runUntilSignal } from '../run-until-signal.ts'

interface Given {
  readonly link?: string
  readonly port?: number
  readonly rate: number
  readonly seed: number
  readonly noise: number
  readonly drop: number
  readonly garble: number
  readonly lag: number
  readonly lagMs: number
  readonly restart: number
}

/** Those of hardware/simulators/models.ts, which are loaded only where one is played. */
export const SIMULATED =
  'line, gps, ais, dsmr, iec62056, scale, weather, modbus-rtu, modbus-tcp, rtu-over-tcp, line-tcp, line-unix, line-udp, http, webhook, mqtt'

export function simulateCommand(): Command {
  return new Command('simulate')
    .description('Plays a device on a pseudo terminal, a socket, HTTP or MQTT, and prints the pipeline that reads it.')
    .argument('<device>', SIMULATED)
    .option('--link <path>', 'where the port or Unix socket appears; in the folder for temporary files unless set')
    .option('--port <number>', 'of what speaks over TCP, UDP, HTTP or MQTT; a free one unless set', portArgument)
    .option('--rate <number>', 'how often a second it speaks, where it speaks by itself', rate, 2)
    .option('--seed <number>', 'the same seed misbehaves in the same way', wholeNumber, 1)
    .option('--noise <part>', 'part of the messages, 0 to 1, before which there is noise', part, 0)
    .option('--drop <part>', 'that lose a byte', part, 0)
    .option('--garble <part>', 'of which a bit is wrong, and with it the checksum', part, 0)
    .option('--lag <part>', 'that come late', part, 0)
    .option('--lag-ms <ms>', 'how late at the most', wholeNumber, 500)
    .option('--restart <part>', 'in the middle of which the device starts anew', part, 0)
    .addHelpText('after', '\nExample:\n  headrace simulate dsmr --link /tmp/meter --noise 0.05 --restart 0.01')
    .action(async (device: string, { link, port, rate, ...mischief }: Given) => {
      const { startSimulated } = await import('../simulated-device.ts')
      const where = { ...(link !== undefined && { link }), ...(port !== undefined && { port }) }
      const { model, simulator } = await startSimulated(device, { ...where, rate, mischief })
      process.exitCode = await runUntilSignal(
        () => simulator.stop(),
        createLogger('error'),
        () => {
          print(`# ${model.summary}, at ${simulator.path}; Ctrl-C ends it.`)
          print(`pipeline: simulated\nsources:\n  ${model.name}:\n${model.yaml(simulator.path).trimEnd()}`)
        },
      )
    })
}

function part(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !(value >= 0 && value <= 1)) throw new InvalidArgumentError('Write a number from 0 to 1.')
  return value
}

function rate(text: string): number {
  const value = Number(text)
  if (!(value > 0 && value <= 1_000)) throw new InvalidArgumentError('Write a number above 0, at most 1000.')
  return value
}
