import { z } from 'zod'
import { type Clock, pause } from '../runtime/clock.ts'
import { duration } from '../runtime/units.ts'

/** `rs485:` of a serial line. */
export const rs485Options = z
  .strictObject({
    send_while: z.enum(['rts_on', 'rts_off']).default('rts_on').describe('State of RTS in which the transceiver sends.'),
    before: duration({ max: '1s' }).default(0).describe('Wait between switching to sending and the first byte.'),
    after: duration({ max: '1s' }).default(0).describe('Wait between the last byte and switching back.'),
  })
  .describe(
    'Half-duplex RS-485 whose direction is switched by RTS, from here. Where the adapter or the kernel does it, leave this out: they are quicker.',
  )
export type Rs485Options = z.output<typeof rs485Options>

/** A port of the serial library that others write to. */
export interface SwitchablePort {
  write(bytes: Buffer): boolean
  drain(done: (error?: Error | null) => void): void
  set(lines: { readonly rts: boolean }, done: (error?: Error | null) => void): void
  emit(event: 'error', error: Error): boolean
}

/**
 * Makes whatever is written to a port switch the direction before and after: for a library that writes by itself. One write after the other; resolves when
 * the port listens.
 */
export async function switchDirection(
  port: SwitchablePort,
  { send_while, before, after }: Rs485Options,
  clock: Clock,
): Promise<void> {
  const isOn = send_while === 'rts_on'
  const write = port.write.bind(port)
  const done = (act: (call: (error?: Error | null) => void) => void) =>
    new Promise<void>((resolve, reject) => act(error => (error ? reject(error) : resolve())))
  const send = async (bytes: Buffer) => {
    await done(call => port.set({ rts: isOn }, call))
    try {
      if (before > 0) await pause(clock, before)
      write(bytes)
      await done(call => port.drain(call))
      if (after > 0) await pause(clock, after)
    } finally {
      await done(call => port.set({ rts: !isOn }, call))
    }
  }
  let last: Promise<void> = Promise.resolve()
  port.write = bytes => {
    last = last.then(() => send(bytes)).catch(error => void port.emit('error', error as Error))
    return true
  }
  await done(call => port.set({ rts: !isOn }, call))
}
