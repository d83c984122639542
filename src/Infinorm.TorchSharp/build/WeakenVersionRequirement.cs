using System;
using System.IO;
using System.Text;
using Microsoft.Build.Framework;
using Microsoft.Build.Utilities;

/// <summary>
/// Copies a 64-bit ELF library, marking one of the symbol versions that it requires as weak: the loader then accepts a system
/// that lacks it. MSBuild compiles this file when Infinorm.TorchSharp.targets needs it, against .NET Standard 2.0.
/// </summary>
public class WeakenVersionRequirement : Task
{
    const uint VersionNeedSection = 0x6ffffffe; // SHT_GNU_verneed
    const byte WeakFlag = 0x2;                  // VER_FLG_WEAK

    [Required]
    public string Library { get; set; } = "";

    /// <summary>The required version, such as GLIBCXX_3.4.32.</summary>
    [Required]
    public string Version { get; set; } = "";

    [Required]
    public string PatchedCopy { get; set; } = "";

    public override bool Execute()
    {
        byte[] elf = File.ReadAllBytes(Library);
        if (elf.Length < 64 || BitConverter.ToUInt32(elf, 0) != 0x464c457f || elf[4] != 2 || elf[5] != 1)
        {
            Log.LogError("{0} is not a little-endian 64-bit ELF file.", Library);
            return false;
        }
        int flags = FindFlags(elf, Version);
        // A library that does not require it, such as that of another version of TorchSharp, stays as it is.
        if (flags >= 0)
            elf[flags] |= WeakFlag;
        else
            Log.LogMessage(MessageImportance.Normal, "{0} does not require {1}: it is not patched.", Library, Version);
        // Never written through: the file there may be a hard link that an output folder shares.
        File.Delete(PatchedCopy);
        Directory.CreateDirectory(Path.GetDirectoryName(PatchedCopy));
        File.WriteAllBytes(PatchedCopy, elf);
        return true;
    }

    /// <summary>Where the flags of the required version stand in the file; -1 if the library does not require it.</summary>
    static int FindFlags(byte[] elf, string version)
    {
        int sections = (int)BitConverter.ToUInt64(elf, 0x28);
        int sectionSize = BitConverter.ToUInt16(elf, 0x3a);
        int sectionCount = BitConverter.ToUInt16(elf, 0x3c);
        for (int section = sections; section < sections + sectionCount * sectionSize; section += sectionSize)
        {
            if (BitConverter.ToUInt32(elf, section + 4) != VersionNeedSection)
                continue;
            int names = FileOffset(elf, sections + BitConverter.ToInt32(elf, section + 40) * sectionSize);
            // Two linked lists of relative offsets, each ended by 0: libraries, and the versions required of each.
            int library = FileOffset(elf, section);
            for (int nextLibrary = -1; nextLibrary != 0; library += nextLibrary)
            {
                nextLibrary = BitConverter.ToInt32(elf, library + 12);
                int required = library + BitConverter.ToInt32(elf, library + 8);
                for (int nextRequired = -1; nextRequired != 0; required += nextRequired)
                {
                    nextRequired = BitConverter.ToInt32(elf, required + 12);
                    if (TextAt(elf, names + BitConverter.ToInt32(elf, required + 8)) == version)
                        return required + 4;
                }
            }
        }
        return -1;
    }

    static int FileOffset(byte[] elf, int section) => (int)BitConverter.ToUInt64(elf, section + 24);

    static string TextAt(byte[] elf, int offset) => Encoding.ASCII.GetString(elf, offset, Array.IndexOf(elf, (byte)0, offset) - offset);
}
