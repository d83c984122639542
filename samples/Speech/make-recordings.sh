#!/usr/bin/env bash
# Makes Recordings/{digit}_{speaker}_0.wav: the ten digits by every voice variant of espeak-ng, 8 kHz, mono, 8-bit PCM.
# Needs espeak-ng (1.51 made the committed files) and sox: apt-get install espeak-ng sox
set -euo pipefail
cd "$(dirname "$0")"

words=(zero one two three four five six seven eight nine)
# Not en-gb: espeak-ng says the same whatever its variant.
accents=(en-us en-gb-scotland en-gb-x-rp en-gb-x-gbclan en-gb-x-gbcwmd en-029)
# Voices that sound like another one in the list would put test voices into the training part.
twins='fast|Storm|caleb|klatt6|edward2|Gene2|iven3|iven4|steph3|RicishayMax3|anikaRobot'
mapfile -t variants < <(espeak-ng --voices=variant | sed -nE 's|.*!v/([^(]*[^( ]).*|\1|p' | grep -vxE "$twins" | LC_ALL=C sort)

rm -rf Recordings
mkdir Recordings
raw=$(mktemp --suffix=.wav)
trap 'rm -f "$raw"' EXIT
trim="silence 1 0.005 0.5% reverse"
for i in "${!variants[@]}"; do
    voice="${accents[i % ${#accents[@]}]}+${variants[i]}"
    speaker=$(tr -cd 'a-z0-9' <<< "${variants[i],,}")
    for digit in "${!words[@]}"; do
        # Neighbours in the list speak at different speeds, in words a minute.
        espeak-ng -v "$voice" -s $((160 + i % 5 * 10)) -w "$raw" "${words[digit]}"
        # Twice trimmed and reversed: silence goes from both ends. sox dithers from a fixed seed.
        sox -R -V1 "$raw" -r 8000 -b 8 -c 1 "Recordings/${digit}_${speaker}_0.wav" norm -1 $trim $trim
    done
done

duplicates=$(md5sum Recordings/* | sort | uniq -w32 -D)
if [[ -n $duplicates ]]; then
    echo "the same recording under two names:"$'\n'"$duplicates" >&2
    exit 1
fi
