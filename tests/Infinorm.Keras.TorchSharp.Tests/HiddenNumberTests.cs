using System.Collections.Immutable;
using System.Reflection.Emit;
using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;
using TorchSharp;

namespace Infinorm.Keras.Torch.Tests;

/// <summary>
/// TorchSharp makes an object of each number that goes into libtorch, and does not keep it alive during the call. So no method of ours may
/// call one of TorchSharp's that makes such an object, such as the operators: <c>Numbers</c> has what stands in for them.
/// </summary>
public sealed class HiddenNumberTests
{
    static readonly Dictionary<short, OpCode> OpCodes = typeof(OpCodes).GetFields().Select(field => (OpCode)field.GetValue(null)!)
        .ToDictionary(code => code.Value);

    [Fact]
    public void NoNumberIsFreedBeforeItIsRead()
    {
        HashSet<string> makers = Makers();
        Assert.Contains("Tensor.op_Addition(Tensor,Tensor)", makers);
        Assert.Contains("Tensor.add(Tensor)", makers);
        Assert.Contains(makers, name => name.StartsWith("TensorExtensionMethods.ToDouble", StringComparison.Ordinal));
        Assert.DoesNotContain("Tensor.mul(Tensor)", makers);
        using var file = new PEReader(File.OpenRead(typeof(KerasModel).Assembly.Location));
        string[] found = [.. (
            from method in Methods(file)
            from callee in method.Callees
            where makers.Contains(callee)
            select $"{method.Name} calls {callee}").Distinct()];
        Assert.True(found.Length == 0, string.Join(Environment.NewLine, found));
    }

    // TorchSharp's methods in which a number becomes an object, or that call one of those.
    static HashSet<string> Makers()
    {
        using var file = new PEReader(File.OpenRead(typeof(Scalar).Assembly.Location));
        (string Name, string[] Callees)[] all = [.. Methods(file).Where(method => method.Name.StartsWith("torch.", StringComparison.Ordinal)
            || method.Name.StartsWith("Tensor.", StringComparison.Ordinal)
            || method.Name.StartsWith("functional.", StringComparison.Ordinal)
            || method.Name.StartsWith("special.", StringComparison.Ordinal)
            || method.Name.StartsWith("TensorExtensionMethods.", StringComparison.Ordinal)
            || method.Name.StartsWith("ScalarExtensionMethods.", StringComparison.Ordinal)
            || method.Name.StartsWith("Scalar.", StringComparison.Ordinal))];
        var makers = all.Where(method => method.Name.StartsWith("Scalar.op_Implicit", StringComparison.Ordinal)
            || method.Name.StartsWith("ScalarExtensionMethods.ToScalar", StringComparison.Ordinal)
            || method.Name.StartsWith("TensorExtensionMethods.ToScalar", StringComparison.Ordinal)
            || method.Name.StartsWith("Tensor.ToScalar", StringComparison.Ordinal)).Select(method => method.Name).ToHashSet();
        Assert.NotEmpty(makers);
        while (all.Where(method => !makers.Contains(method.Name) && method.Callees.Any(makers.Contains)).Select(method => method.Name)
            .ToArray() is { Length: > 0 } more)
            makers.UnionWith(more);
        return makers;
    }

    static IEnumerable<(string Name, string[] Callees)> Methods(PEReader file)
    {
        MetadataReader metadata = file.GetMetadataReader();
        foreach (MethodDefinitionHandle handle in metadata.MethodDefinitions)
        {
            MethodDefinition method = metadata.GetMethodDefinition(handle);
            string[] callees = method.RelativeVirtualAddress == 0
                ? []
                : [.. Callees(metadata, file.GetMethodBody(method.RelativeVirtualAddress).GetILContent())];
            yield return (Name(metadata, handle)!, callees);
        }
    }

    static IEnumerable<string> Callees(MetadataReader metadata, ImmutableArray<byte> code)
    {
        for (int i = 0; i < code.Length;)
        {
            short value = code[i] == 0xfe ? (short)(0xfe00 | code[i + 1]) : code[i];
            OpCode operation = OpCodes[value];
            i += operation.Size;
            int operand = operation.OperandType is OperandType.InlineNone or OperandType.InlineSwitch
                ? 0
                : BitConverter.ToInt32([.. code.AsSpan(i, Math.Min(4, code.Length - i)), 0, 0, 0]);
            if (operation.OperandType == OperandType.InlineMethod && Name(metadata, MetadataTokens.EntityHandle(operand)) is { } name)
                yield return name;
            i += operation.OperandType switch
            {
                OperandType.InlineNone => 0,
                OperandType.ShortInlineBrTarget or OperandType.ShortInlineI or OperandType.ShortInlineVar => 1,
                OperandType.InlineVar => 2,
                OperandType.InlineI8 or OperandType.InlineR => 8,
                OperandType.InlineSwitch => 4 + (4 * BitConverter.ToInt32(code.AsSpan(i, 4))),
                _ => 4,
            };
        }
    }

    // Type.method(parameter types), without namespaces.
    static string? Name(MetadataReader metadata, EntityHandle handle)
    {
        switch (handle.Kind)
        {
            case HandleKind.MethodDefinition:
                MethodDefinition definition = metadata.GetMethodDefinition((MethodDefinitionHandle)handle);
                TypeDefinition type = metadata.GetTypeDefinition(definition.GetDeclaringType());
                return $"{metadata.GetString(type.Name)}.{metadata.GetString(definition.Name)}({Join(definition.DecodeSignature(new TypeNames(), null))})";
            case HandleKind.MemberReference:
                MemberReference reference = metadata.GetMemberReference((MemberReferenceHandle)handle);
                if (reference.Parent.Kind != HandleKind.TypeReference || reference.GetKind() != MemberReferenceKind.Method)
                    return null;
                string parent = metadata.GetString(metadata.GetTypeReference((TypeReferenceHandle)reference.Parent).Name);
                return $"{parent}.{metadata.GetString(reference.Name)}({Join(reference.DecodeMethodSignature(new TypeNames(), null))})";
            case HandleKind.MethodSpecification:
                return Name(metadata, metadata.GetMethodSpecification((MethodSpecificationHandle)handle).Method);
            default:
                return null;
        }

        static string Join(MethodSignature<string> signature) => string.Join(",", signature.ParameterTypes);
    }

    sealed class TypeNames : ISignatureTypeProvider<string, object?>
    {
        public string GetArrayType(string elementType, ArrayShape shape) => $"{elementType}[,]";

        public string GetByReferenceType(string elementType) => $"{elementType}&";

        public string GetFunctionPointerType(MethodSignature<string> signature) => "function";

        public string GetGenericInstantiation(string genericType, ImmutableArray<string> typeArguments) =>
            $"{genericType}<{string.Join(",", typeArguments)}>";

        public string GetGenericMethodParameter(object? genericContext, int index) => $"!!{index}";

        public string GetGenericTypeParameter(object? genericContext, int index) => $"!{index}";

        public string GetModifiedType(string modifier, string unmodifiedType, bool isRequired) => unmodifiedType;

        public string GetPinnedType(string elementType) => elementType;

        public string GetPointerType(string elementType) => $"{elementType}*";

        public string GetPrimitiveType(PrimitiveTypeCode typeCode) => typeCode.ToString();

        public string GetSZArrayType(string elementType) => $"{elementType}[]";

        public string GetTypeFromDefinition(MetadataReader reader, TypeDefinitionHandle handle, byte rawTypeKind) =>
            reader.GetString(reader.GetTypeDefinition(handle).Name);

        public string GetTypeFromReference(MetadataReader reader, TypeReferenceHandle handle, byte rawTypeKind) =>
            reader.GetString(reader.GetTypeReference(handle).Name);

        public string GetTypeFromSpecification(MetadataReader reader, object? genericContext, TypeSpecificationHandle handle,
            byte rawTypeKind) =>
            reader.GetTypeSpecification(handle).DecodeSignature(this, genericContext);
    }
}
