using System.Text.Json;
using System.Text.Json.Serialization;
using Infinorm.Types;

namespace Infinorm.Tests.Conformance;

/// <summary>How golden JSON is read: strictly, so that a field nobody here understands fails its case.</summary>
static class GoldenJson
{
    public static JsonSerializerOptions Options { get; } = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        AllowOutOfOrderMetadataProperties = true,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
        Converters = { new JsonStringEnumConverter<DType>(namingPolicy: null, allowIntegerValues: false) },
    };

    public static T Read<T>(JsonElement element) => element.Deserialize<T>(Options)!;
}
