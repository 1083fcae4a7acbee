import { Pty } from './pty.ts'
import type { Simulator } from './simulator.ts'

/** Off the Isle of Wight, steering east. */
const START = { latitude: 50.5, longitude: -1.6 }
const SPEED_KN = 14.2
const COURSE_DEG = 92
const DEGREES_PER_SECOND = SPEED_KN / 3_600 / 60

/** A GPS receiver on a serial port: GGA and RMC once a second, with checksums, along a track. */
export async function startGps(options: { link?: string; fixesPerSecond: number }): Promise<Simulator> {
  const pty = await Pty.open(options.link)
  const startedMs = performance.now()
  const timer = setInterval(() => {
    for (const text of gpsSentences((performance.now() - startedMs) / 1_000)) pty.write(text)
  }, 1_000 / options.fixesPerSecond)
  return {
    path: pty.path,
    stop: async () => {
      clearInterval(timer)
      await pty.close()
    },
  }
}

/** GGA and RMC of a moment, so many seconds along the track. */
export function gpsSentences(second: number): [string, string] {
  const now = new Date()
  const clock = now.toISOString().slice(11, 22).replaceAll(':', '')
  const day = now.toISOString().slice(2, 10).split('-').reverse().join('')
  const position = `${dm(START.latitude, 2, 'N', 'S')},${dm(START.longitude + second * DEGREES_PER_SECOND, 3, 'E', 'W')}`
  return [
    sentence(`GPGGA,${clock},${position},1,09,0.9,12.3,M,47.0,M,,`),
    sentence(`GPRMC,${clock},A,${position},${SPEED_KN},${COURSE_DEG}.0,${day},,,A`),
  ]
}

/** Degrees and minutes as NMEA writes them, with the hemisphere. */
function dm(degrees: number, digits: number, positive: string, negative: string): string {
  const whole = Math.floor(Math.abs(degrees))
  const minutes = (Math.abs(degrees) - whole) * 60
  return `${String(whole).padStart(digits, '0')}${minutes.toFixed(4).padStart(7, '0')},${degrees < 0 ? negative : positive}`
}

/** A sentence with its checksum: XOR of everything between `$` and `*`. */
export function sentence(body: string): string {
  let sum = 0
  for (let at = 0; at < body.length; at++) sum ^= body.charCodeAt(at)
  return `$${body}*${sum.toString(16).toUpperCase().padStart(2, '0')}\r\n`
}
