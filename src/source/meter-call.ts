/*
  IEC 62056-21, 6.3 and 6.4: how a meter is called, at its initial speed
    reader  "/" "?" [address] "!" CR LF              request
    meter   "/" maker (3) speed (1) [type] CR LF     identification
    reader  ACK "0" speed (1) "0" CR LF              acknowledgement, mode C only: normal protocol, the speed it wants, data readout
    both go on at that speed
    meter   STX data "!" CR LF ETX BCC               what the framing `telegram: iec62056` reads, with the identification before it
  Speeds: "0" to "6" (mode C); "A" to "F" (mode B: the meter goes on at it without being acknowledged); anything else (mode A): the speed stays.
*/
const ACK = '\x06'
const SPEEDS_C: Readonly<Record<string, number>> = {
  '0': 300,
  '1': 600,
  '2': 1_200,
  '3': 2_400,
  '4': 4_800,
  '5': 9_600,
  '6': 19_200,
}
const SPEEDS_B: Readonly<Record<string, number>> = { A: 600, B: 1_200, C: 2_400, D: 4_800, E: 9_600, F: 19_200 }
/** Its third letter is small where the meter answers within 20 ms and not 200 ms. The echo of a request is none: its second character is "?". */
const IDENTIFICATION = /\/[A-Za-z]{3}([\x21-\x7e])[^\r\n/!]{0,32}\r?\n/

/** A meter waits so long between what it hears and what it says, and wants as much of whoever calls it, ms (6.3.2; at the most 1500). */
export const REACTION_MS = 200

export const ACKNOWLEDGEMENT_BYTES = 6

/** Longest identification, with what may come before it. */
export const IDENTIFICATION_BYTES_MAX = 256

export function callOf(address: string): Buffer {
  return Buffer.from(`/?${address}!\r\n`, 'latin1')
}

export interface Agreed {
  /** What has to be sent for it; undefined where nothing has to be. */
  readonly acknowledgement: Buffer | undefined
  /** Speed of what follows; undefined where it stays as it is. */
  readonly baud: number | undefined
}

/** How to go on after what has been heard: undefined while no identification has come. No faster than `baudMax` where the meter lets itself be told. */
export function agreedWith(heard: Buffer, baudMax: number): Agreed | undefined {
  const letter = IDENTIFICATION.exec(heard.toString('latin1'))?.[1]
  if (letter === undefined) return undefined
  const offered = SPEEDS_C[letter]
  if (offered === undefined) return { acknowledgement: undefined, baud: SPEEDS_B[letter] }
  const [digit = '0', baud] = Object.entries(SPEEDS_C).findLast(([, each]) => each <= Math.min(offered, baudMax)) ?? []
  return { acknowledgement: Buffer.from(`${ACK}0${digit}0\r\n`, 'latin1'), baud }
}
